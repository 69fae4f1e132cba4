"""Edits of a graph keep its order and say who reads what."""

from __future__ import annotations

from converters.rewriting.graph import Operator
from tests.converters.rewriting.graphs import activation, graph, names, step

IMAGE = activation(1, 2, 2, 4)


def chain(*operators: str) -> list[Operator]:
    steps = [step(operators[0], IMAGE)]
    for name in operators[1:]:
        steps.append(step(name, steps[-1].output))
    return steps


def test_new_operators_stand_where_the_last_old_one_stood() -> None:
    first, second, third = chain("ABS", "NEG", "COS")
    made = graph(IMAGE, [first, second, third])
    made.replace([first, second], [Operator("SIN", [IMAGE], [second.output])])
    assert names(made) == ["SIN", "COS"]
    assert made.writer(second.output) is made.operators[0]
    assert made.readers(IMAGE) == [made.operators[0]]


def test_operator_is_inserted_right_behind_what_it_reads() -> None:
    first, second = chain("ABS", "NEG")
    made = graph(IMAGE, [first, second])
    made.insert_behind(first.output, step("COS", first.output))
    made.insert_behind(IMAGE, step("SIN", IMAGE))
    assert names(made) == ["SIN", "ABS", "COS", "NEG"]


def test_tensor_that_is_read_twice_or_is_an_output_has_no_only_reader() -> None:
    first, second = chain("ABS", "NEG")
    made = graph(IMAGE, [first, second])
    assert made.only_reader(first.output) is second
    assert made.only_reader(second.output) is None
    twice = step("ADD", first.output, first.output)
    assert graph(IMAGE, [first, twice]).only_reader(first.output) is None


def test_what_nobody_reads_leaves_with_all_that_led_to_it() -> None:
    used, *unused = chain("ABS", "NEG", "COS")
    made = graph(IMAGE, [used, *unused], used.output)
    made.remove_unread()
    assert names(made) == ["ABS"]


def test_operators_without_results_stay_with_what_they_read() -> None:
    written, kept = chain("ABS", "NEG")
    assign = Operator("ASSIGN_VARIABLE", [kept.output], [])
    made = graph(IMAGE, [written, kept, assign], written.output)
    made.remove_unread()
    assert names(made) == ["ABS", "NEG", "ASSIGN_VARIABLE"]
