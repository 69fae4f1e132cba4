"""Rows that no converter makes: every figure is an expression to be checked by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from converters import schema
from tests.flatbuffers.hand_made import Graph, Made, flexbuffer, string_tensor, with_constants_behind
from tests.flatbuffers.table import Row

NEWEST_ONLY = ("ai-edge-litert",)


def of(build: Callable[[Made, Graph], None]) -> Callable[[], bytes]:
    """A file of one graph, or of what `build` adds to it."""

    def made() -> bytes:
        file = Made()
        build(file, file.graph())
        return bytes(file)

    return made


def dense(graph: Graph, source: int, depth: int, units: int, *, batch: int = 1, **kinds: Any) -> int:
    """A fully connected layer of floats without biases."""
    output = graph.tensor(batch, units)
    return graph.operator("FULLY_CONNECTED", [source, graph.weights(units, depth, **kinds), -1], [output])


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


# ----------------------------------------------------------------------------------------------------------- recurrent
def gates(graph: Graph, *shape: int, first: int = 0) -> list[int]:
    """Weights of the four gates, or of the last three with `first` 1, the input gate coupled."""
    return [-1] * first + [graph.weights(*shape) for _ in range(4 - first)]


def full_lstm(name: str, *, steps: int | None, free: Sequence[int] = ()) -> Callable[[Made, Graph], None]:
    """3 numbers in, 5 cells, peepholes, a projection to 4; a batch of 2, and steps where it is a sequence."""

    def build(file: Made, graph: Graph) -> None:
        lead = (2,) if steps is None else (2, steps)
        source = graph.input(*lead, 3, free=free)
        weights = [*gates(graph, 5, 3), *gates(graph, 5, 4), *(graph.weights(5) for _ in range(3)), *gates(graph, 5)]
        projection = [graph.weights(4, 5), graph.weights(4)]
        states = [graph.tensor(2, 4, variable=True), graph.tensor(2, 5, variable=True)]
        out, more = graph.tensor(*lead, 4, free=free), {} if steps is None else {"timeMajor": False}
        inputs = [source, *weights, *projection, *states, -1, -1, -1, -1]
        graph.output(graph.operator(name, inputs, [out], fusedActivationFunction=4, **more))

    return build


FULL_LSTM = 4 * 5 * 3 + 4 * 5 * 4 + 3 * 5 + 4 * 5  # input, recurrent, peepholes, projection: of one step
FULL_LSTM_PARAMETERS = FULL_LSTM + 4 * 5 + 4  # and biases of the gates and of the projection


def coupled_lstm(file: Made, graph: Graph) -> None:
    """No input gate: three of everything."""
    source = graph.input(1, 6, 3)
    weights = [
        *gates(graph, 5, 3, first=1),
        *gates(graph, 5, 5, first=1),
        -1,
        -1,
        -1,
        *gates(graph, 5, first=1),
        -1,
        -1,
    ]
    states = [graph.tensor(1, 5, variable=True), graph.tensor(1, 5, variable=True)]
    inputs = [source, *weights, *states, -1, -1, -1, -1]
    out = graph.tensor(1, 6, 5)
    name = "UNIDIRECTIONAL_SEQUENCE_LSTM"
    graph.output(graph.operator(name, inputs, [out], fusedActivationFunction=4, timeMajor=False))


def basic_lstm(file: Made, graph: Graph) -> None:
    """All gates in one matrix: 3 in, 5 cells, a batch of 2."""
    source, activation, state = graph.input(2, 3), graph.input(2, 5), graph.input(2, 5)
    weights, bias = graph.weights(4 * 5, 3 + 5), graph.weights(4 * 5)
    outs = [graph.tensor(2, 5), graph.tensor(2, 5), graph.tensor(2, 8), graph.tensor(2, 20)]
    options = {"fusedActivationFunction": 4, "kernelType": 1}
    graph.operator("LSTM", [source, activation, weights, bias, state], outs, version=2, **options)
    graph.output(outs[0])


def bidirectional_lstm(file: Made, graph: Graph) -> None:
    """3 in, 5 cells each way, 4 steps of one sequence, joined."""
    source = graph.input(1, 4, 3)
    one_way = lambda: [*gates(graph, 5, 3), *gates(graph, 5, 5), -1, -1, -1, *gates(graph, 5), -1, -1]  # noqa: E731
    weights = [*one_way(), *one_way()]
    states = [graph.tensor(1, 5, variable=True) for _ in range(4)]
    out, options = graph.tensor(1, 4, 10), {"fusedActivationFunction": 4, "mergeOutputs": True, "timeMajor": False}
    inputs = [source, *weights, *states, *[-1] * 9]
    graph.output(graph.operator("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, [out], **options))


def rnn(name: str, *lead: int) -> Callable[[Made, Graph], None]:
    def build(file: Made, graph: Graph) -> None:
        source, out = graph.input(*lead, 3), graph.tensor(*lead, 5)
        inputs = [
            source,
            graph.weights(5, 3),
            graph.weights(5, 5),
            graph.weights(5),
            graph.tensor(lead[0], 5, variable=True),
        ]
        graph.output(graph.operator(name, inputs, [out], fusedActivationFunction=4))

    return build


def bidirectional_rnn(file: Made, graph: Graph) -> None:
    source, out = graph.input(1, 4, 3), graph.tensor(1, 4, 10)
    one_way = lambda: [  # noqa: E731
        *(graph.weights(5, 3), graph.weights(5, 5), graph.weights(5)),
        graph.tensor(1, 5, variable=True),
    ]
    inputs = [source, *one_way(), *one_way(), -1, -1, -1]
    options = {"fusedActivationFunction": 4, "mergeOutputs": True, "timeMajor": False}
    graph.output(graph.operator("BIDIRECTIONAL_SEQUENCE_RNN", inputs, [out], **options))


def svdf(file: Made, graph: Graph) -> None:
    """8 filters of rank 2 over 6 numbers, with a memory of 7 steps; a batch of 2."""
    inputs = [graph.input(2, 6), graph.weights(8, 6), graph.weights(8, 7), graph.weights(4)]
    state, out = graph.tensor(2, 8 * 7, variable=True), graph.tensor(2, 4)
    graph.output(graph.operator("SVDF", [*inputs, state], [out], rank=2))


# --------------------------------------------------------------------------------------------------------------- loops
def loop(
    *, limit: int | None = 10, step: int = 3, start: int = 1, limit_as_input: bool = False, times: int = 1
) -> Callable[[], bytes]:
    """i = start; while i < limit: x = x @ 6 x 6 ones, i += step. Without a limit, it ends by what x is.

    times  how many such loops stand one within the other.
    """

    def made() -> bytes:
        file = Made()
        graphs = [file.graph(), *(file.graph(f"{name}_{i}") for i in range(times) for name in ("condition", "body"))]
        _while(graphs[0], graphs[0].input(1, 6), 1)
        for deep in range(times):
            _condition(graphs[2 * deep + 1], limit, limit_as_input)
            _body(graphs[2 * deep + 2], 2 * deep + 3 if deep + 1 < times else None)
        return bytes(file)

    def _while(graph: Graph, x: int, condition: int) -> None:
        counter, limit_ = graph.tensor(kind="INT32", data=start), graph.tensor(kind="INT32", data=limit or 0)
        outs = [graph.tensor(kind="INT32"), graph.tensor(1, 6), graph.tensor(kind="INT32")]
        options = {"condSubgraphIndex": condition, "bodySubgraphIndex": condition + 1}
        graph.operator("WHILE", [counter, x, limit_], outs, **options)
        graph.output(outs[1])

    def _condition(graph: Graph, limit: int | None, as_input: bool) -> None:
        counter, x, limit_ = graph.input(kind="INT32"), graph.input(1, 6), graph.input(kind="INT32")
        out = graph.tensor(kind="BOOL")
        if limit is None:
            total = graph.operator("SUM", [x, graph.tensor(2, kind="INT32", data=[0, 1])], [graph.tensor()])
            graph.operator("LESS", [total, graph.tensor(data=1000.0)], [out])
        else:
            graph.operator("LESS", [counter, limit_ if as_input else graph.tensor(kind="INT32", data=limit)], [out])
        graph.output(out)

    def _body(graph: Graph, inner: int | None) -> None:
        counter, x, limit_ = graph.input(kind="INT32"), graph.input(1, 6), graph.input(kind="INT32")
        grown = graph.operator("ADD", [counter, graph.tensor(kind="INT32", data=step)], [graph.tensor(kind="INT32")])
        x = dense(graph, x, 6, 6)
        if inner is not None:
            _while(graph, x, inner)
            x = graph.written.outputs.pop()
        graph.output(grown, x, limit_)

    return made


def runs_itself() -> bytes:
    file = Made()
    main, one = file.graph(), file.graph("one")
    for graph in (main, one):
        condition, source, out = graph.input(1, kind="BOOL"), graph.input(1, 6), graph.tensor(1, 6)
        graph.operator("IF", [condition, condition, source], [out], thenSubgraphIndex=1, elseSubgraphIndex=1)
        graph.output(out)
    return bytes(file)


def branches(then_units: int, else_units: int) -> Callable[[], bytes]:
    """IF of two dense layers over 6 numbers, each summed up to one."""

    def made() -> bytes:
        file = Made()
        main, sides = file.graph(), [file.graph("then"), file.graph("else")]
        condition, source, out = main.input(1, kind="BOOL"), main.input(1, 6), main.tensor(1, 1)
        main.operator("IF", [condition, source], [out], thenSubgraphIndex=1, elseSubgraphIndex=2)
        main.output(out)
        for graph, units in zip(sides, (then_units, else_units)):
            layer = dense(graph, graph.input(1, 6), 6, units)
            axis = graph.tensor(1, kind="INT32", data=[1])
            graph.output(graph.operator("SUM", [layer, axis], [graph.tensor(1, 1)], keepDims=True))
        return bytes(file)

    return made


def composite(file: Made, graph: Graph) -> None:
    source, out = graph.input(1, 6), graph.tensor(1, 4)
    options = {"name": "mine.dense", "decompositionSubgraphIndex": 1, "compositeAttributes": flexbuffer({})}
    graph.output(graph.operator("STABLEHLO_COMPOSITE", [source], [out], **options))
    inner = file.graph("decomposition")
    inner.output(dense(inner, inner.input(1, 6), 6, 4))


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
    "LSTM, all it can have": Row(
        build=of(full_lstm("LSTM", steps=None)), macs={"float": 2 * FULL_LSTM}, parameters=FULL_LSTM_PARAMETERS
    ),
    "LSTM over a sequence": Row(
        build=of(full_lstm("UNIDIRECTIONAL_SEQUENCE_LSTM", steps=7)),
        macs={"float": 2 * 7 * FULL_LSTM},
        parameters=FULL_LSTM_PARAMETERS,
    ),
    "LSTM over any number of sequences": Row(
        build=of(full_lstm("UNIDIRECTIONAL_SEQUENCE_LSTM", steps=7, free=[0])),
        macs={"float": 2 * 7 * FULL_LSTM},
        parameters=FULL_LSTM_PARAMETERS,
        shapes={"": [2, 7, 3]},
    ),
    "LSTM over sequences of any length": Row(
        build=of(full_lstm("UNIDIRECTIONAL_SEQUENCE_LSTM", steps=7, free=[1])),
        unknown={"UNIDIRECTIONAL_SEQUENCE_LSTM": 1},
        parameters=FULL_LSTM_PARAMETERS,
        shapes={"": [2, 9, 3]},
    ),
    "LSTM without an input gate": Row(
        build=of(coupled_lstm), macs={"float": 6 * 3 * (5 * 3 + 5 * 5)}, parameters=3 * (5 * 3 + 5 * 5 + 5)
    ),
    "LSTM in one matrix": Row(build=of(basic_lstm), macs={"float": 2 * 20 * 8}, parameters=20 * 8 + 20),
    "LSTM both ways": Row(
        build=of(bidirectional_lstm),
        macs={"float": 4 * 2 * 4 * (5 * 3 + 5 * 5)},
        parameters=2 * 4 * (5 * 3 + 5 * 5 + 5),
    ),
    "RNN": Row(build=of(rnn("RNN", 2)), macs={"float": 2 * (5 * 3 + 5 * 5)}, parameters=5 * 3 + 5 * 5 + 5),
    "RNN over a sequence": Row(
        build=of(rnn("UNIDIRECTIONAL_SEQUENCE_RNN", 2, 7)),
        macs={"float": 2 * 7 * (5 * 3 + 5 * 5)},
        parameters=5 * 3 + 5 * 5 + 5,
    ),
    "RNN both ways": Row(
        build=of(bidirectional_rnn), macs={"float": 4 * 2 * (5 * 3 + 5 * 5)}, parameters=2 * (5 * 3 + 5 * 5 + 5)
    ),
    "SVDF": Row(build=of(svdf), macs={"float": 2 * (8 * 6 + 8 * 7)}, parameters=8 * 6 + 8 * 7 + 4),
    "a loop of three rounds": Row(build=loop(), macs={"float": 3 * 36}, parameters=36),  # i = 1, 4, 7
    "a loop that never begins": Row(build=loop(start=10), parameters=36),
    "a loop whose limit is handed through": Row(build=loop(limit_as_input=True), macs={"float": 3 * 36}, parameters=36),
    "a loop in a loop": Row(build=loop(times=2), macs={"float": 3 * (36 + 3 * 36)}, parameters=2 * 36),
    "a loop that ends by what it computes": Row(build=loop(limit=None), unknown={"WHILE": 1}, parameters=36 + 1),
    "a loop whose counter stands still": Row(build=loop(step=0, start=10), unknown={"WHILE": 1}, parameters=36),
    "a loop whose counter would wrap": Row(
        build=loop(limit=2**31 - 1, start=2**31 - 2, step=2), unknown={"WHILE": 1}, parameters=36, timed_by=None
    ),
    "branches of equal cost": Row(build=branches(4, 4), macs={"float": 6 * 4}, parameters=2 * 6 * 4),
    "branches of different cost": Row(
        build=branches(4, 9), macs={"float": 6 * 4}, unknown={"IF": 1}, parameters=6 * 4 + 6 * 9
    ),
    "a graph that runs itself": Row(build=runs_itself, unknown={"IF": 1}, timed_by=(), reason="process ended"),
    "a composite": Row(
        build=of(composite), macs={"float": 6 * 4}, parameters=6 * 4, timed_by=NEWEST_ONLY, reason="206"
    ),
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
