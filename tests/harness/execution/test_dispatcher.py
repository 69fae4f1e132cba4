"""What may be done next: after what it builds on, near the model that it needs, and alone where time is measured."""

from __future__ import annotations

from typing import Any

import pytest

from harness.execution.dispatcher import READ_AHEAD, Dispatcher
from harness.stages.stage_table import STAGES, Stage
from harness.store import Unit

HOST = {"name": "this-host", "kind": "local"}
BOARD = {"name": "pi", "kind": "ssh"}


@pytest.fixture(autouse=True)
def _plain_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("saliency", "conversion", "latency", "accuracy"):
        stage = Stage(perform="", doing=kind, one_at_a_time=kind == "conversion")
        monkeypatch.setitem(STAGES, kind, stage)


def unit(kind: str, model: str, *, conversion: Unit | None = None, **more: Any) -> Unit:
    needs = {"conversion": conversion.key} if conversion else {}
    return Unit(kind=kind, spec={"model": {"name": model}, **more}, needs=needs)


def test_unit_waits_for_what_it_builds_on() -> None:
    first = unit("conversion", "a")
    second = unit("accuracy", "a", conversion=first)
    dispatcher = Dispatcher([first, second])
    assert taken(dispatcher) == first
    assert taken(dispatcher) is None
    dispatcher.finished(first.key)
    assert taken(dispatcher) == second
    dispatcher.finished(second.key)
    assert dispatcher.is_finished()


def test_worker_is_given_the_model_that_it_holds_then_one_that_nobody_holds() -> None:
    of_a, of_b, of_c = (unit("saliency", model) for model in "abc")
    dispatcher = Dispatcher([of_a, of_b, of_c])
    assert taken(dispatcher, "b", others=["a"]) == of_b
    assert taken(dispatcher, "b", others=["a"]) == of_c
    assert taken(dispatcher, "b", others=["a"]) == of_a


def test_two_conversions_of_one_model_are_never_done_at_once() -> None:
    one, other = unit("conversion", "a", format="x"), unit("conversion", "a", format="y")
    dispatcher = Dispatcher([one, other])
    assert taken(dispatcher) == one
    assert taken(dispatcher) is None
    dispatcher.finished(one.key)
    assert taken(dispatcher) == other


def test_timing_on_this_machine_has_it_for_itself_and_boards_go_on() -> None:
    before = unit("saliency", "a")
    timed = unit("latency", "a", device=HOST)
    elsewhere = unit("latency", "a", device=BOARD)
    after = unit("saliency", "b")
    dispatcher = Dispatcher([before, timed, elsewhere, after])
    assert [n.unit for n in dispatcher.next_for_boards(set())] == [elsewhere]
    assert taken(dispatcher) == before
    assert list(dispatcher.next_for_boards(set())) == []
    dispatcher.finished(before.key)
    assert [n.unit for n in dispatcher.next_for_boards(set())] == [timed]
    assert taken(dispatcher) is None
    dispatcher.finished(timed.key)
    assert taken(dispatcher) == after


def test_timing_does_not_stand_in_the_way_of_what_comes_before_it_on_its_own_device() -> None:
    conversion = unit("conversion", "a")
    judged = unit("accuracy", "a", device=HOST, conversion=conversion)
    timed = unit("latency", "b", device=HOST)
    dispatcher = Dispatcher([conversion, judged, timed])
    assert taken(dispatcher) == conversion
    dispatcher.finished(conversion.key)
    assert [n.unit for n in dispatcher.next_for_boards(set())] == [judged]


def test_what_is_timed_keeps_the_order_of_the_plan_whichever_is_converted_first() -> None:
    conversions = [unit("conversion", model) for model in "ab"]
    a, b = conversions
    rounds = [
        unit("latency", c.spec["model"]["name"], conversion=c, device=HOST, n=n) for n, c in enumerate([b, a, a, b])
    ]
    dispatcher = Dispatcher([*conversions, *rounds])
    while (conversion := taken(dispatcher)) is not None:
        dispatcher.finished(conversion.key)
    timed = []
    while following := [queued.unit for queued in dispatcher.next_for_boards(set())]:
        timed += following
        dispatcher.finished(following[0].key)
    assert timed == rounds


def test_a_unit_of_a_board_that_came_back_undone_is_its_next() -> None:
    first, second = (unit("latency", "a", device=BOARD, n=n) for n in range(2))
    dispatcher = Dispatcher([first, second])
    assert [n.unit for n in dispatcher.next_for_boards(set())] == [first]
    dispatcher.again(first)
    assert [n.unit for n in dispatcher.next_for_boards(set())] == [first]


def test_long_plan_is_read_a_bounded_way_ahead() -> None:
    read = 0

    def plan() -> Any:
        nonlocal read
        for read in range(1, 10 * READ_AHEAD):  # counted outside
            yield unit("saliency", "a", number=read)

    dispatcher = Dispatcher(plan())
    assert read == READ_AHEAD
    first = taken(dispatcher)
    assert first is not None
    dispatcher.finished(first.key)
    assert read == READ_AHEAD + 1


def test_unit_that_came_back_undone_waits_for_what_must_be_done_again() -> None:
    source, user = unit("conversion", "a"), unit("saliency", "a")
    dispatcher = Dispatcher([user])
    assert taken(dispatcher) == user
    user_again = unit("saliency", "a", conversion=source)
    dispatcher.again(user_again, after=source)
    assert taken(dispatcher) == source
    dispatcher.finished(source.key)
    assert taken(dispatcher) == user_again


def test_unit_that_came_back_undone_is_the_next_of_its_model() -> None:
    first, second, third = (unit("saliency", "a", number=number) for number in range(3))
    dispatcher = Dispatcher([first, second, third])
    assert taken(dispatcher) == first
    dispatcher.again(first)
    assert taken(dispatcher) == first


def taken(dispatcher: Dispatcher, holds: str = "", *, others: list[str] | None = None) -> Unit | None:
    queued = dispatcher.next_for_worker(holds, held_by_others=others or [])
    return queued.unit if queued else None
