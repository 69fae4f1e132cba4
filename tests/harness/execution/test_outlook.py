"""How long the rest of a run will take: unknown until something is known, and never less than that of what is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.execution import outlook
from harness.execution.outlook import Outlook
from harness.saying import duration
from harness.store import Unit

HERE = {"name": "this-host", "kind": "local"}
PI = {"name": "pi", "kind": "ssh", "host": "pi"}
ZERO = {"name": "zero", "kind": "ssh", "host": "zero"}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outlook, "time", clock)
    return clock


def maps(number: int, *, model: str = "a") -> Unit:
    return Unit(kind="saliency", spec={"model": {"name": model}, "method": "gradient", "number": number})


def timed(number: int, device: dict[str, str]) -> Unit:
    return Unit(kind="latency", spec={"model": {"name": "a"}, "format": "fp32", "device": device, "number": number})


def perform(expected: Outlook, clock: Clock, units: list[Unit], seconds: float) -> None:
    """All at the same time."""
    for unit in units:
        expected.began(unit)
    clock.now += seconds
    for unit in units:
        expected.ended(unit, seconds=seconds, is_done=True)


def test_nothing_is_known_before_a_unit_has_ended(clock: Clock) -> None:
    units = [maps(n) for n in range(4)]
    expected = Outlook((unit, None) for unit in units)
    assert expected.as_text() == "time left unknown"
    perform(expected, clock, units[:1], 10.0)
    assert expected.as_text() == "about 30 s left"
    clock.now += 12.0
    assert expected.as_text() == "about 18 s left"
    clock.now += 18.0  # what is in hand takes longer than the first: nobody knows how much
    assert expected.as_text() == "time left unknown"
    perform(expected, clock, units[1:], 10.0)
    assert expected.as_text() == ""


def test_workers_beside_each_other_share_what_is_left(clock: Clock) -> None:
    units = [maps(n) for n in range(12)]
    expected = Outlook((unit, None) for unit in units)
    perform(expected, clock, units[:4], 10.0)
    assert expected.as_text() == "about 20 s left"


def test_it_is_a_least_time_while_a_kind_of_unit_has_never_ended(clock: Clock) -> None:
    units = [maps(n) for n in range(3)]
    expected = Outlook([*((unit, None) for unit in units), (timed(0, HERE), None)])
    perform(expected, clock, units[:1], 10.0)
    assert expected.as_text() == "more than 20 s left"


def test_what_earlier_commands_did_is_known(clock: Clock) -> None:
    before = [(timed(n, HERE), 60.0) for n in range(3)]
    expected = Outlook([*before, *((timed(n, HERE), None) for n in range(3, 6))])
    assert expected.as_text() == "about 3 min left"


def test_a_unit_of_another_model_is_expected_to_take_what_its_kind_takes(clock: Clock) -> None:
    expected = Outlook([(maps(0), None), (maps(1, model="b"), None)])
    perform(expected, clock, [maps(0)], 10.0)
    assert expected.as_text() == "about 10 s left"


def test_boards_elsewhere_work_meanwhile_and_what_takes_this_machine_one_after_the_other(clock: Clock) -> None:
    done = [(timed(-n, device), 10.0) for n, device in enumerate((HERE, PI, ZERO), start=1)]
    to_do = [timed(n, device) for device, count in ((HERE, 3), (PI, 4), (ZERO, 6)) for n in range(count)]
    workers = [maps(n) for n in range(2)]
    expected = Outlook([*done, *((unit, None) for unit in [*to_do, *workers])])
    perform(expected, clock, workers[:1], 50.0)
    assert expected.as_text() == "about 80 s left"  # 50 of a worker and 30 here, while the slower board takes 60


def test_what_waits_for_a_board_that_is_away_is_not_left(clock: Clock) -> None:
    expected = Outlook([(timed(0, PI), 10.0), (timed(1, PI), None), (timed(2, PI), None)])
    expected.began(timed(1, PI))
    expected.ended(timed(1, PI))
    assert expected.as_text() == "about 10 s left"


def test_what_comes_again_is_still_left(clock: Clock) -> None:
    expected = Outlook([(timed(0, PI), 10.0), (timed(1, PI), None)])
    expected.began(timed(1, PI))
    expected.ended(timed(1, PI), comes_again=True)
    assert expected.as_text() == "about 10 s left"


@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=20), st.integers(1, 8))
def test_units_that_all_take_as_long_end_when_it_is_said(rest: list[float], workers: int) -> None:
    """Whatever passes between the judgements: with n rounds left of `workers` units each, n rounds are said."""
    with pytest.MonkeyPatch.context() as patch:
        clock, seconds = Clock(), rest[0] + 1.0
        patch.setattr(outlook, "time", clock)
        units = [maps(n) for n in range(workers * (len(rest) + 1))]
        expected = Outlook((unit, None) for unit in units)
        for left in range(len(rest), 0, -1):
            perform(expected, clock, units[:workers], seconds)
            units = units[workers:]
            rounded = {duration(left * seconds * error) for error in (1 - 1e-9, 1 + 1e-9)}  # which way, floats decide
            assert expected.as_text() in {f"about {text} left" for text in rounded}
