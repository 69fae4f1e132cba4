"""Rows of operators that run graphs, by hand: loops, branches, composites."""

from __future__ import annotations

from collections.abc import Callable

from tests.flatbuffers.hand_made import Graph, Made, dense, flexbuffer, of
from tests.flatbuffers.table import Row

NEWEST_ONLY = ("ai-edge-litert",)


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


ROWS: dict[str, Row] = {
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
}
