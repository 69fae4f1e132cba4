"""Rows that no converter makes: every figure is an expression to be checked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from converters import schema
from tests.flatbuffers.hand_made import Graph, Made, dense, flexbuffer, of, string_tensor, with_constants_behind
from tests.flatbuffers.table import Row


def one_dense(file: Made, graph: Graph) -> None:
    graph.output(dense(graph, graph.input(1, 12), 12, 7))


# -------------------------------------------------------------------------------------------------- where constants lie
def behind() -> bytes:
    return with_constants_behind(of(one_dense)())


def in_another_file() -> bytes:
    file = Made()
    graph = file.graph()
    one_dense(file, graph)
    objects = schema.objects()
    group, entry = objects.ExternalBufferGroupT(), objects.ExternalBufferT()
    group.name = "weights.bin"
    entry.id, entry.group, entry.offset, entry.length = 1, 0, 0, 4 * 7 * 12
    file.model.externalBufferGroups, file.model.externalBuffers = [group], [entry]
    weights = graph.written.tensors[graph.written.operators[0].inputs[1]]
    weights.buffer, weights.externalBuffer = 0, 1
    return bytes(file)


def shared(file: Made, graph: Graph) -> None:
    """Two layers with the same weights."""
    first = graph.weights(6, 6)
    second = graph.tensor(6, 6, buffer=graph.written.tensors[first].buffer)
    middle, last = graph.tensor(1, 6), graph.tensor(1, 6)
    graph.operator("FULLY_CONNECTED", [graph.input(1, 6), first, -1], [middle])
    graph.output(graph.operator("FULLY_CONNECTED", [middle, second, -1], [last]))


def sparse(file: Made, graph: Graph) -> None:
    """A 4 x 8 matrix of which the first column's four numbers are stored, by rows."""
    weights = graph.tensor(4, 8, data=np.ones(4))
    objects = schema.objects()
    parameters = objects.SparsityParametersT()
    parameters.traversalOrder, parameters.blockMap = [0, 1], []
    rows, columns = objects.DimensionMetadataT(), objects.DimensionMetadataT()
    rows.format, rows.denseSize = objects.DimensionType.DENSE, 4
    columns.format = objects.DimensionType.SPARSE_CSR
    segments, indices = objects.Int32VectorT(), objects.Int32VectorT()
    segments.values, indices.values = [0, 1, 2, 3, 4], [0, 0, 0, 0]
    columns.arraySegments, columns.arraySegmentsType = segments, objects.SparseIndexVector.Int32Vector
    columns.arrayIndices, columns.arrayIndicesType = indices, objects.SparseIndexVector.Int32Vector
    parameters.dimMetadata = [rows, columns]
    graph.written.tensors[weights].sparsity = parameters
    out = graph.tensor(1, 4)
    graph.output(graph.operator("FULLY_CONNECTED", [graph.input(1, 8), weights, -1], [out], version=8))


# -------------------------------------------------------------------------------------------------------- quantization
def uint8_convolution(file: Made, graph: Graph) -> None:
    """As the first quantized models were: one scale for all, uint8 throughout."""
    image = graph.input(1, 6, 6, 1, kind="UINT8", scales=[0.5])
    weights = graph.weights(4, 3, 3, 1, kind="UINT8", scales=[0.5])
    bias = graph.weights(4, kind="INT32", scales=[0.25])
    out = graph.tensor(1, 6, 6, 4, kind="UINT8", scales=[2.0])
    graph.output(graph.operator("CONV_2D", [image, weights, bias], [out], strideW=1, strideH=1))


def per_channel(file: Made, graph: Graph) -> None:
    image = graph.input(1, 5, 5, 2, kind="INT8", scales=[0.5])
    weights = graph.weights(1, 3, 3, 2, kind="INT8", scales=[0.5, 0.25], axis=3)
    bias = graph.weights(2, kind="INT32", scales=[0.25, 0.125])
    out = graph.tensor(1, 5, 5, 2, kind="INT8", scales=[2.0])
    options = {"strideW": 1, "strideH": 1, "depthMultiplier": 1}
    graph.output(graph.operator("DEPTHWISE_CONV_2D", [image, weights, bias], [out], version=3, **options))


def int4_dense(file: Made, graph: Graph) -> None:
    """Two weights in each byte, activations in floats."""
    weights = graph.tensor(8, 10, kind="INT4", data=bytes(8 * 10 // 2), scales=[0.5])
    out = graph.tensor(1, 8)
    graph.output(graph.operator("FULLY_CONNECTED", [graph.input(1, 10), weights, -1], [out], version=10))


def int16_activations(file: Made, graph: Graph) -> None:
    source = graph.input(1, 6, kind="INT16", scales=[0.5])
    weights = graph.weights(3, 6, kind="INT8", scales=[0.5])
    bias = graph.weights(3, kind="INT64", scales=[0.25])
    out = graph.tensor(1, 3, kind="INT16", scales=[2.0])
    graph.output(graph.operator("FULLY_CONNECTED", [source, weights, bias], [out], version=4))


# ------------------------------------------------------------------------------------------- operators of other people
def detection(file: Made, graph: Graph) -> None:
    """A head of 10 anchors and 3 classes, with the background."""
    options = {"max_detections": 4, "max_classes_per_detection": 1, "num_classes": 3, "use_regular_nms": False}
    thresholds = {"nms_score_threshold": 0.1, "nms_iou_threshold": 0.5}
    scales = {"x_scale": 10.0, "y_scale": 10.0, "w_scale": 5.0, "h_scale": 5.0}
    boxes, scores = graph.input(1, 10, 4), graph.input(1, 10, 4)
    outs = [graph.tensor(1, 4, 4), graph.tensor(1, 4), graph.tensor(1, 4), graph.tensor(1)]
    inputs = [boxes, scores, graph.weights(10, 4)]
    raw = flexbuffer(options | thresholds | scales)
    graph.operator("CUSTOM", inputs, outs, custom="TFLite_Detection_PostProcess", raw=raw)
    graph.output(*outs)


def custom(name: str, kind: str = "FLOAT32") -> Callable[[Made, Graph], None]:
    """Someone's operator behind a dense layer."""

    def build(file: Made, graph: Graph) -> None:
        layer, out = dense(graph, graph.input(1, 6), 6, 4), graph.tensor(1, 4, kind=kind)
        graph.output(graph.operator("CUSTOM", [layer], [out], custom=name, raw=b"\1\2\3"))

    return build


def newer(number: int, version: int = 1) -> Callable[[Made, Graph], None]:
    """An operator, or a version of one, of after this was written."""

    def build(file: Made, graph: Graph) -> None:
        layer, out = dense(graph, graph.input(1, 6), 6, 4), graph.tensor(1, 4)
        graph.output(graph.operator(number, [layer], [out], version=version))

    return build


# ---------------------------------------------------------------------------------------------------------------- rest
def with_metadata() -> bytes:
    """Labels in a zip behind the flatbuffer, as TFLite's metadata library puts them there."""
    import io
    import zipfile

    file = Made()
    one_dense(file, file.graph())
    file.metadata("TFLITE_METADATA", b"\x0c\0\0\0M001")
    file.metadata("min_runtime_version", b"1.5.0\0\0\0")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    return bytes(file) + packed.getvalue()


def texts(file: Made, graph: Graph) -> None:
    """Picks texts of a constant list."""
    names = graph.tensor(3, kind="STRING", data=string_tensor(b"cat", b"dog", b"bird"))
    which = graph.input(2, kind="INT32")
    graph.output(graph.operator("GATHER", [names, which], [graph.tensor(2, kind="STRING")]))


def text_input(file: Made, graph: Graph) -> None:
    source, ids = graph.input(1, kind="STRING"), graph.tensor(1, 8, kind="INT32")
    graph.operator("CUSTOM", [source], [ids], custom="SentencepieceOp", raw=b"\1")
    table, out = graph.weights(20, 4), graph.tensor(1, 8, 4)
    graph.output(graph.operator("GATHER", [table, ids], [out]))


def nothing(file: Made, graph: Graph) -> None:
    graph.output(graph.input(1, 4))


def grey(file: Made, graph: Graph) -> None:
    image, weights, bias = graph.input(1, 28, 28, 1), graph.weights(2, 3, 3, 1), graph.weights(2)
    graph.output(graph.operator("CONV_2D", [image, weights, bias], [graph.tensor(1, 28, 28, 2)], strideW=1, strideH=1))


def two_signatures() -> bytes:
    """Both use the same weights, over different graphs."""
    file = Made()
    first, second = file.graph("encode"), file.graph("decode")
    weights = first.weights(6, 6)
    buffer = first.written.tensors[weights].buffer
    for number, (graph, batch) in enumerate(((first, 1), (second, 4))):
        own = weights if graph is first else graph.tensor(6, 6, buffer=buffer)
        source, out = graph.input(batch, 6), graph.tensor(batch, 6)
        graph.output(graph.operator("FULLY_CONNECTED", [source, own, -1], [out]))
        file.signature(graph.written.name, number, {"x": source}, {"y": out})
    return bytes(file)


DENSE = {"macs": {"float": 6 * 4}, "parameters": 6 * 4}
ROWS: dict[str, Row] = {
    "constants behind the flatbuffer": Row(build=behind, macs={"float": 12 * 7}, parameters=12 * 7),
    "constants in another file": Row(
        build=in_another_file, macs={"float": 12 * 7}, parameters=12 * 7, timed_by=(), reason="lacks data"
    ),
    "weights of two layers shared": Row(build=of(shared), macs={"float": 2 * 6 * 6}, parameters=6 * 6),
    "sparse weights": Row(build=of(sparse), macs={"float": 4}, parameters=4),
    "uint8, one scale for all": Row(
        build=of(uint8_convolution), macs={"int8": 6 * 6 * 4 * 3 * 3 * 1}, parameters=4 * 3 * 3 + 4
    ),
    "int8, a scale for each channel": Row(
        build=of(per_channel), macs={"int8": 5 * 5 * 2 * 3 * 3}, parameters=3 * 3 * 2 + 2
    ),
    "int4 weights": Row(build=of(int4_dense), macs={"int8": 10 * 8}, parameters=10 * 8),
    "int16 activations": Row(build=of(int16_activations), macs={"int16": 6 * 3}, parameters=6 * 3 + 3),
    "a detection head": Row(build=of(detection), parameters=10 * 4),
    "an operator that no runtime has": Row(
        build=of(custom("SentencepieceOp")),
        unknown={"SentencepieceOp": 1},
        timed_by=(),
        reason="SentencepieceOp",
        **DENSE,
    ),
    "a part compiled for the Edge TPU": Row(
        build=of(custom("edgetpu-custom-op")), unknown={"edgetpu-custom-op": 1}, timed_by=(), reason="edgetpu", **DENSE
    ),
    "an operator of TensorFlow": Row(
        build=of(custom("FlexMatrixInverse")),
        unknown={"FlexMatrixInverse": 1},
        timed_by=(),
        reason="Flex|runtime",
        **DENSE,
    ),
    "a builtin operator of tomorrow": Row(
        build=of(newer(300)), unknown={"BUILTINOPERATOR_300": 1}, timed_by=(), reason="300", **DENSE
    ),
    "a version of tomorrow": Row(build=of(newer(19, version=99)), timed_by=(), reason="RELU.*99", **DENSE),
    "metadata and labels behind the file": Row(build=with_metadata, macs={"float": 12 * 7}, parameters=12 * 7),
    "texts from a list": Row(build=of(texts)),
    "a text as input": Row(
        build=of(text_input),
        unknown={"SentencepieceOp": 1},
        parameters=20 * 4,
        timed_by=(),
        reason="Sentencepiece|type",
    ),
    "no operators": Row(build=of(nothing)),
    "a grey image": Row(build=of(grey), macs={"float": 28 * 28 * 2 * 3 * 3}, parameters=2 * 3 * 3 + 2),
    "two signatures with the same weights": Row(build=two_signatures, macs={"float": 36}, parameters=36),
}
