"""Rows of recurrent operators, by hand: every weight counts once for each step of each sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.flatbuffers.hand_made import Graph, Made, of
from tests.flatbuffers.table import Row


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


ROWS: dict[str, Row] = {
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
}
