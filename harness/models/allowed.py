"""What a Keras file may hold unasked, name by name: what image classifiers are made of.

Everything here computes numbers from numbers. Left out on purpose is what runs code of the file (Lambda), reads other
files (TextVectorization with a vocabulary, TFSMLayer), prints, or makes tables. A name that a newer Keras brings is not
on the list until somebody has read what it does, and wrote it here.

Sources: `keras.layers`, `keras.ops` of Keras 3.15; tf_keras 2.19; larq 0.14; `tf.*` of TensorFlow 2.19 and 2.21.
"""

from __future__ import annotations


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODELS = _names("Functional Model Sequential")
LAYERS = _names(
    """
    InputLayer Input Dense EinsumDense Activation Embedding Masking Identity Dropout SpatialDropout1D SpatialDropout2D
    SpatialDropout3D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization
    Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
    Convolution2DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D SeparableConvolution2D
    LocallyConnected1D LocallyConnected2D
    MaxPooling1D MaxPooling2D MaxPooling3D MaxPool1D MaxPool2D MaxPool3D AveragePooling1D AveragePooling2D
    AveragePooling3D AvgPool1D AvgPool2D AvgPool3D AdaptiveAveragePooling1D AdaptiveAveragePooling2D
    AdaptiveMaxPooling1D AdaptiveMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
    GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D
    BatchNormalization BatchNormalizationV1 BatchNormalizationV2 SyncBatchNormalization LayerNormalization
    GroupNormalization InstanceNormalization UnitNormalization RMSNormalization SpectralNormalization
    Add Subtract Multiply Average Maximum Minimum Concatenate Dot
    Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    UpSampling1D UpSampling2D UpSampling3D
    ReLU LeakyReLU PReLU ELU ThresholdedReLU Softmax
    Attention AdditiveAttention MultiHeadAttention GroupedQueryAttention GroupQueryAttention
    SimpleRNN SimpleRNNCell LSTM LSTMCell GRU GRUCell RNN StackedRNNCells Bidirectional TimeDistributed Wrapper
    ConvLSTM1D ConvLSTM2D ConvLSTM3D
    Rescaling Resizing CenterCrop Normalization RandomFlip RandomCrop RandomRotation RandomTranslation RandomZoom
    RandomHeight RandomWidth RandomContrast RandomBrightness RandomSaturation RandomHue RandomSharpness
    RandomGrayscale RandomPosterization RandomColorJitter RandomColorDegeneration RandomShear RandomPerspective
    RandomGaussianBlur RandomInvert RandomErasing AutoContrast Equalization Solarization
    """
)
APPLICATIONS = _names("LayerScale StochasticDepth")  # in `keras.applications` alone
# Plain functions in functional models of Keras 2: layers that hold the name of a function of TensorFlow.
FUNCTION_LAYERS = _names("TFOpLambda SlicingOpLambda")
ACTIVATIONS = _names(
    """
    linear relu relu6 leaky_relu elu selu celu gelu silu swish softmax log_softmax sigmoid log_sigmoid hard_sigmoid
    hard_silu hard_swish hard_tanh hard_shrink soft_shrink sparse_plus sparsemax sparse_sigmoid squareplus softplus
    softsign tanh tanh_shrink exponential mish glu threshold
    """
)
INITIALIZERS = _names(
    """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal OrthogonalInitializer
    Identity IdentityInitializer GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    zeros ones constant random_normal random_uniform truncated_normal variance_scaling orthogonal identity
    glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform zero one normal uniform
    Zero One normal uniform GlorotNormalV2 GlorotUniformV2 HeNormalV2 HeUniformV2 LecunNormalV2 LecunUniformV2
    ZerosV2 OnesV2 ConstantV2 RandomNormalV2 RandomUniformV2 TruncatedNormalV2 VarianceScalingV2 OrthogonalV2
    IdentityV2
    """
)
REGULARIZERS = _names("L1 L2 L1L2 OrthogonalRegularizer l1 l2 l1_l2 orthogonal_regularizer")
CONSTRAINTS = _names(
    "MaxNorm NonNeg UnitNorm MinMaxNorm RadialConstraint max_norm non_neg unit_norm min_max_norm radial_constraint"
)
POLICIES = _names("DTypePolicy FloatDTypePolicy QuantizedDTypePolicy QuantizedFloat8DTypePolicy DTypePolicyMap Policy")
METRICS = _names(
    """
    Mean Sum MeanTensor MeanMetricWrapper Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy
    TopKCategoricalAccuracy SparseTopKCategoricalAccuracy AUC Precision Recall MeanSquaredError MeanAbsoluteError
    """
)
METRIC_FUNCTIONS = _names(
    """
    accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy
    sparse_top_k_categorical_accuracy mean_squared_error mean_absolute_error binary_crossentropy
    categorical_crossentropy sparse_categorical_crossentropy
    """
)
LARQ_LAYERS = _names(
    """
    QuantConv1D QuantConv2D QuantConv3D QuantConv2DTranspose QuantConv3DTranspose QuantDense QuantDepthwiseConv2D
    QuantSeparableConv1D QuantSeparableConv2D QuantLocallyConnected1D QuantLocallyConnected2D
    """
)
LARQ_PARTS = _names(
    """
    SteSign ste_sign ApproxSign approx_sign SwishSign swish_sign SteHeaviside ste_heaviside SteTern ste_tern
    MagnitudeAwareSign magnitude_aware_sign DoReFa DoReFaQuantizer dorefa_quantizer NoOp NoOpQuantizer no_op
    WeightClip weight_clip hard_tanh leaky_tanh heaviside_sign clip_by_value_activation
    magnitude_aware_sign_unclipped FlipRatio flip_ratio xnor_weight_scale blurpool_initializer
    """
)

# Which names each module may give. Keras 2 files say "keras.src.engine.functional" or "keras.engine.functional",
# tf_keras "tf_keras.src.engine.functional": they are compared without "tf_" and ".src".
_PARTS = LAYERS | MODELS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | POLICIES
MODULES: dict[str, frozenset[str]] = {
    "keras": MODELS | POLICIES | _names("Input InputLayer"),
    "keras.models": MODELS,
    "keras.models.functional": MODELS,
    "keras.models.sequential": MODELS,
    "keras.models.model": MODELS,
    "keras.engine.functional": MODELS,
    "keras.engine.sequential": MODELS,
    "keras.engine.training": MODELS,
    "keras.layers": LAYERS,
    "keras.layers.experimental.preprocessing": LAYERS,
    "keras.layers.experimental": LAYERS,
    "keras.layers.core.tf_op_layer": FUNCTION_LAYERS,
    "keras.applications.convnext": APPLICATIONS,
    "keras.initializers": INITIALIZERS,
    "tensorflow.python.ops.init_ops_v2": INITIALIZERS,
    "keras.regularizers": REGULARIZERS,
    "keras.constraints": CONSTRAINTS,
    "keras.dtype_policies": POLICIES,
    "keras.mixed_precision": POLICIES,
    "keras.metrics": METRICS,
    "larq.layers": LARQ_LAYERS,
    "larq.quantizers": LARQ_PARTS,
    "larq.constraints": LARQ_PARTS,
    "larq.metrics": LARQ_PARTS,
    "larq.activations": LARQ_PARTS,
}
# Where a function, or the short name of an object, is looked up by its name alone.
FUNCTION_MODULES = _names("builtins keras.activations larq.activations larq.quantizers larq.constraints")
FUNCTIONS = ACTIVATIONS | LARQ_PARTS
SHORT_NAMES = ACTIVATIONS | INITIALIZERS | REGULARIZERS | CONSTRAINTS | LARQ_PARTS | LAYERS | METRIC_FUNCTIONS
SLOTS = (
    "activation",
    "initializer",
    "regularizer",
    "constraint",
    "quantizer",
    "fn",
)  # ends of keys whose value is a name

DTYPES = _names(
    """
    float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool
    float8_e4m3fn float8_e5m2 mixed_float16 mixed_bfloat16
    """
)

# Operations of `keras.ops` by the module that they stand in: what a plain function in a model of Keras 3 is kept as.
OPERATIONS: dict[str, frozenset[str]] = {
    "keras.ops.numpy": _names(
        """
        Abs Absolute Add All Amax Amin Angle Any Append Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax
        Argmin Argpartition Argsort Array ArraySplit Average Bincount BitwiseAnd BitwiseInvert BitwiseLeftShift
        BitwiseNot BitwiseOr BitwiseRightShift BitwiseXor BroadcastTo Cbrt Ceil Clip Concatenate Conj Conjugate Copy
        Corrcoef Correlate Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad Diag Diagflat Diagonal Diff Digitize
        Divide DivideNoNan Dot Dsplit Dstack Einsum Equal Exp Exp2 ExpandDims Expm1 Fabs Flip Fliplr Flipud Floor
        FloorDivide Fmax Fmin Fmod FullLike Gcd GetItem Greater GreaterEqual Heaviside Histogram Hsplit Hstack Hypot
        I0 Imag Inner IsIn Isclose Isfinite Isinf Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp LeftShift Less
        LessEqual Linspace Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr LogicalXor Matmul
        Max Maximum Mean Median Meshgrid Min Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod
        Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative
        Nextafter Nonzero NotEqual OnesLike Outer Pad Percentile Power Prod Ptp Quantile Rad2deg Ravel Real Reciprocal
        Repeat Reshape RightShift Roll Rot90 Round SearchSorted Select Sign Signbit Sin Sinc Sinh Size Slogdet Sort
        Split Sqrt Square Squeeze Stack Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tensordot Tile Trace
        Transpose Trapezoid Tril Triu TrueDivide Trunc Unique UnravelIndex Vander Var Vdot View Vsplit Vstack Where
        ZerosLike
        """
    ),
    "keras.ops.nn": _names(
        """
        AdaptiveAveragePool AdaptiveMaxPool AveragePool BatchNorm Celu Conv ConvTranspose DepthToSpace DepthwiseConv
        DotProductAttention Elu Fold Gelu Glu HardShrink HardSigmoid HardSilu HardTanh LayerNorm LeakyRelu LogSigmoid
        LogSoftmax MaxPool Moments MultiHot Normalize OneHot PSNR Polar RMSNorm Relu Relu6 Selu SeparableConv Sigmoid
        Silu SoftShrink Softmax Softplus Softsign SpaceToDepth SparsePlus SparseSigmoid Sparsemax Squareplus
        TanhShrink Threshold Unfold
        """
    ),
    "keras.ops.math": _names(
        """
        CDist Erf Erfc Erfinv ExtractSequences FFT FFT2 IFFT2 IRFFT InTopK Logdet Logsumexp RFFT Rsqrt SegmentMax
        SegmentMin SegmentProd SegmentSum TopK ViewAsComplex ViewAsReal
        """
    ),
    "keras.ops.linalg": _names(
        """
        Cholesky CholeskyInverse Det Eig Eigh Inv Lstsq LuFactor Norm Pinv Qr SVD Solve SolveTriangular
        """
    ),
    "keras.ops.core": _names(
        """
        Cast ConvertToTensor SaturateCast Scatter ScatterUpdate Slice SliceUpdate StopGradient Unstack
        """
    ),
    "keras.ops.image": _names(
        """
        AffineTransform CropImages ElasticTransform ExtractPatches GaussianBlur HSVToRGB MapCoordinates PadImages
        PerspectiveTransform RGBToGrayscale RGBToHSV Resize SSIM ScaleAndTranslate SobelEdges
        """
    ),
    "keras.ops.einops": _names("Rearrange"),
}

# Without a module, names are looked up among Keras's own and those that Larq registered.
BARE = (_PARTS | APPLICATIONS | FUNCTION_LAYERS | METRICS | LARQ_LAYERS | LARQ_PARTS).union(*OPERATIONS.values())

# Functions of TensorFlow by their public names: what TFOpLambda and SlicingOpLambda may hold.
_MATH = _names(
    """
    abs accumulate_n acos acosh add add_n argmax argmin asin asinh atan atan2 atanh ceil conj cos cosh count_nonzero
    cumprod cumsum cumulative_logsumexp divide divide_no_nan equal erf erfc erfinv exp expm1 floor floordiv floormod
    greater greater_equal imag in_top_k invert_permutation is_finite is_inf is_nan l2_normalize less less_equal lgamma
    log log1p log_sigmoid log_softmax logical_and logical_not logical_or logical_xor maximum minimum mod multiply
    multiply_no_nan negative nextafter not_equal pow real reciprocal reciprocal_no_nan reduce_all reduce_any
    reduce_euclidean_norm reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_std reduce_sum
    reduce_variance rint round rsqrt scalar_mul segment_max segment_mean segment_min segment_prod segment_sum sigmoid
    sign sin sinh softmax softplus softsign sqrt square squared_difference subtract tan tanh top_k truediv xdivy xlog1py
    xlogy zero_fraction
    """
)
_NN = _names(
    """
    avg_pool avg_pool1d avg_pool2d avg_pool3d batch_normalization bias_add conv1d conv1d_transpose conv2d
    conv2d_transpose conv3d conv3d_transpose conv_transpose convolution depth_to_space depthwise_conv2d elu gelu
    l2_loss l2_normalize leaky_relu local_response_normalization log_softmax lrn max_pool max_pool1d max_pool2d
    max_pool3d moments normalize_moments pool relu relu6 scale_regularization_loss selu separable_conv2d sigmoid silu
    softmax softplus softsign space_to_batch space_to_depth swish tanh top_k weighted_moments zero_fraction crelu
    batch_norm_with_global_normalization dropout
    """
)
_ARRAYS = _names(
    """
    abs acos add add_n argmax argmin argsort atan batch_to_space bitcast boolean_mask broadcast_to cast
    clip_by_global_norm clip_by_norm clip_by_value concat cos cosh cumsum divide einsum ensure_shape equal exp
    expand_dims extract_volume_patches eye fill floor gather gather_nd greater greater_equal guarantee_const identity
    less less_equal linspace logical_and logical_not logical_or matmul maximum meshgrid minimum multiply negative norm
    not_equal one_hot ones ones_like pad pow range rank realdiv repeat reduce_all reduce_any reduce_logsumexp
    reduce_max reduce_mean reduce_min reduce_prod reduce_sum reshape reverse roll round rsqrt saturate_cast scalar_mul
    scatter_nd searchsorted sequence_mask shape sigmoid sign sin sinh size slice sort space_to_batch space_to_batch_nd
    split sqrt square squeeze stack stop_gradient strided_slice subtract tan tanh tensor_scatter_nd_add
    tensor_scatter_nd_update tensordot tile transpose truediv unstack where zeros zeros_like convert_to_tensor
    """
)
_IMAGE = _names(
    """
    adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation central_crop
    convert_image_dtype crop_and_resize crop_to_bounding_box extract_patches flip_left_right flip_up_down
    grayscale_to_rgb hsv_to_rgb image_gradients pad_to_bounding_box per_image_standardization psnr resize
    resize_with_crop_or_pad resize_with_pad rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv rot90 sobel_edges ssim
    total_variation transpose yiq_to_rgb yuv_to_rgb resize_bilinear resize_bicubic resize_nearest_neighbor
    resize_images resize_area
    """
)
_LINALG = _names(
    """
    band_part cross det diag diag_part einsum global_norm inv l2_normalize matmul matrix_transpose matvec norm
    normalize set_diag tensor_diag tensor_diag_part tensordot trace
    """
)
_OPERATORS = _names("add sub mul truediv floordiv mod pow matmul neg abs getitem ragged_getitem eq ne gt ge lt le and "
                    "or xor invert logical_and logical_or rmul radd rsub rtruediv")  # fmt: skip
_SIGNAL = _names("dct idct")
_BACKEND = _names(
    """
    abs all any argmax argmin batch_dot batch_flatten bias_add cast clip concatenate cos dot elu equal exp expand_dims
    flatten greater greater_equal hard_sigmoid l2_normalize less less_equal log max maximum mean min minimum not_equal
    ones_like permute_dimensions pow prod relu repeat_elements reshape resize_images reverse round sigmoid sign sin
    softmax softplus softsign spatial_2d_padding sqrt square squeeze stack std stop_gradient sum tanh tile transpose
    var zeros_like pool2d conv2d depthwise_conv2d
    """
)
_V1 = _names(
    """
    argmax argmin boolean_mask count_nonzero expand_dims gather gather_nd pad reduce_all reduce_any reduce_logsumexp
    reduce_max reduce_mean reduce_min reduce_prod reduce_sum shape size squeeze transpose where ones_like zeros_like
    image.resize image.resize_bilinear image.resize_nearest_neighbor image.resize_bicubic image.resize_images
    image.crop_and_resize nn.avg_pool nn.conv2d nn.depthwise_conv2d nn.log_softmax nn.max_pool nn.moments nn.pool
    nn.softmax math.log_softmax math.softmax norm space_to_depth depth_to_space batch_to_space space_to_batch
    reverse_sequence convert_to_tensor
    """
)
FUNCTIONS_OF_TENSORFLOW = (
    _ARRAYS
    | {f"math.{name}" for name in _MATH}
    | {f"nn.{name}" for name in _NN}
    | {f"image.{name}" for name in _IMAGE}
    | {f"linalg.{name}" for name in _LINALG}
    | {f"__operators__.{name}" for name in _OPERATORS}
    | {f"signal.{name}" for name in _SIGNAL}
    | {f"keras.backend.{name}" for name in _BACKEND}
    | {f"keras.activations.{name}" for name in ACTIVATIONS}
    | {f"compat.v1.{name}" for name in _V1}
)
