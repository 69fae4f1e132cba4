"""Which operations of TensorFlow the graph of a SavedModel may hold: those that compute numbers from numbers.

Left out on purpose is what reads or writes files, prints, calls Python, keeps tables, queues, data sets or strings. An
operation that a newer TensorFlow brings is not on the list until somebody has read what it does, and wrote it here.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MATHEMATICS = _names(
    """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Angle Any ApproximateEqual ArgMax ArgMin Asin Asinh Atan Atan2
    Atanh BesselI0 BesselI0e BesselI1 BesselI1e Betainc Bincount BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil
    ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp DenseBincount Digamma Div
    DivNoNan Equal Erf Erfc Erfinv EuclideanNorm Exp Expm1 Floor FloorDiv FloorMod Greater GreaterEqual
    HistogramFixedWidth Igamma Igammac Imag Inv InvGrad Invert IsFinite IsInf IsNan IsotonicRegression LeftShift Less
    LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg
    NextAfter NotEqual Polygamma PopulationCount Pow Prod Real RealDiv Reciprocal ReciprocalGrad RightShift Rint Round
    Rsqrt RsqrtGrad SegmentMax SegmentMaxV2 SegmentMean SegmentMin SegmentMinV2 SegmentProd SegmentProdV2 SegmentSum
    SegmentSumV2 Sigmoid SigmoidGrad Sign Sin Sinh Sqrt SqrtGrad Square SquaredDifference Sub Sum Tan Tanh TanhGrad
    TruncateDiv TruncateMod UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum Xdivy Xlog1py
    Xlogy Zeta
    """
)
MATRICES = _names(
    """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 BatchMatrixBandPart Cholesky ConjugateTranspose Eig Einsum
    LogMatrixDeterminant Lu MatMul MatrixBandPart MatrixDeterminant MatrixDiag MatrixDiagPart MatrixDiagPartV2
    MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 MatrixSolve
    MatrixTriangularSolve Qr SelfAdjointEigV2 Svd
    """
)
ARRAYS = _names(
    """
    BatchToSpace BatchToSpaceND Bitcast BroadcastArgs BroadcastGradientArgs BroadcastTo Concat ConcatOffset ConcatV2
    Const DataFormatDimMap DataFormatVecPermute DebugGradientIdentity DeepCopy DepthToSpace Diag DiagPart
    DynamicPartition DynamicStitch EditDistance Empty EnsureShape ExpandDims ExtractImagePatches ExtractVolumePatches
    FakeParam Fill Gather GatherNd GatherV2 GuaranteeConst Identity IdentityN InplaceAdd InvertPermutation LinSpace
    ListDiff LowerBound MirrorPad MirrorPadGrad NoOp OneHot OnesLike Pack Pad PadV2 ParallelConcat Placeholder
    PlaceholderWithDefault PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll ScatterNd
    ScatterNdNonAliasingAdd Select SelectV2 Shape ShapeN Size Slice Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth
    Split SplitV Squeeze StopGradient StridedSlice StridedSliceGrad TensorScatterAdd TensorScatterMax TensorScatterMin
    TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate Tile TopK TopKV2 Transpose Unique UniqueV2
    UniqueWithCounts UniqueWithCountsV2 Unpack UnravelIndex UpperBound Where ZerosLike
    """
)
LAYERS = _names(
    """
    AvgPool AvgPool3D AvgPool3DGrad AvgPoolGrad BatchNormWithGlobalNormalization BiasAdd BiasAddGrad BiasAddV1 Conv
    Conv2D Conv2DBackpropFilter Conv2DBackpropFilterV2 Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D
    Conv3DBackpropFilter Conv3DBackpropFilterV2 Conv3DBackpropInput Conv3DBackpropInputV2 CudnnRNN CudnnRNNV2
    CudnnRNNV3 DepthwiseConv2dNative DepthwiseConv2dNativeBackpropFilter DepthwiseConv2dNativeBackpropInput Dequantize
    Dilation2D Elu EluGrad FakeQuantWithMinMaxArgs FakeQuantWithMinMaxArgsGradient FakeQuantWithMinMaxVars
    FakeQuantWithMinMaxVarsGradient FakeQuantWithMinMaxVarsPerChannel FakeQuantWithMinMaxVarsPerChannelGradient
    FractionalAvgPool FractionalMaxPool FusedBatchNorm FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3
    FusedBatchNormV2 FusedBatchNormV3 InTopK InTopKV2 L2Loss LRN LRNGrad LeakyRelu LeakyReluGrad LogSoftmax MaxPool
    MaxPool3D MaxPool3DGrad MaxPoolGrad MaxPoolGradV2 MaxPoolV2 MaxPoolWithArgmax QuantizeAndDequantize
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2 Relu Relu6 Relu6Grad ReluGrad
    Selu SeluGrad Softmax SoftmaxCrossEntropyWithLogits Softplus SoftplusGrad Softsign SoftsignGrad
    SparseSoftmaxCrossEntropyWithLogits
    """
)
IMAGES = _names(
    """
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CombinedNonMaxSuppression CropAndResize
    CropAndResizeGradImage FFT FFT2D FFT3D HSVToRGB IFFT IFFT2D IFFT3D IRFFT IRFFT2D ImageProjectiveTransformV2
    ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4
    NonMaxSuppressionV5 RFFT RFFT2D RGBToHSV ResizeArea ResizeBicubic ResizeBicubicGrad ResizeBilinear
    ResizeBilinearGrad ResizeNearestNeighbor ResizeNearestNeighborGrad ScaleAndTranslate
    """
)
RANDOM = _names(  # a model at inference has none that matters; its training function does
    """
    Multinomial ParameterizedTruncatedNormal RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt
    RngReadAndSkip RngSkip StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt
    StatefulUniformInt StatelessMultinomial StatelessRandomGetAlg StatelessRandomGetKeyCounter
    StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
    StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
    StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal
    StatelessTruncatedNormalV2 TruncatedNormal
    """
)
# The model's own variables; none of these finds a variable that it was not given.
VARIABLES = _names(
    """
    AssignAddVariableOp AssignSubVariableOp AssignVariableOp DisableCopyOnRead ReadVariableOp ResourceGather
    ResourceGatherNd ResourceScatterAdd ResourceScatterUpdate VarIsInitializedOp VariableShape
    """
)
# Calls of functions in the same file, all of which are examined; lists of tensors for loops over time steps.
CALLS = _names(
    """
    Case ControlTrigger Enter Exit If LoopCond Merge NextIteration PartitionedCall RefMerge StatefulPartitionedCall
    StatelessCase StatelessIf StatelessWhile Switch SymbolicGradient ToBool While
    """
)
LISTS = _names(
    """
    EmptyTensorList TensorListConcat TensorListConcatLists TensorListConcatV2 TensorListElementShape
    TensorListFromTensor TensorListGather TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack
    TensorListPushBackBatch TensorListReserve TensorListResize TensorListScatter TensorListScatterIntoExistingList
    TensorListScatterV2 TensorListSetItem TensorListSplit TensorListStack
    """
)
CHECKS = _names("Assert CheckNumerics CheckNumericsV2")

OPERATIONS = MATHEMATICS | MATRICES | ARRAYS | LAYERS | IMAGES | RANDOM | VARIABLES | CALLS | LISTS | CHECKS
# What TensorFlow writes and reads checkpoints with. It does so by functions of its own: those in a file are never
# run, and none of them may be reached from what is.
SAVER = _names("MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename StaticRegexFullMatch StringJoin VarHandleOp")
