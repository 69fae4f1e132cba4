"""A board that is lost costs one unit: it is waited for, what had begun is not repeated, the rest is left for later.

The boards are fakes that come and go as a test says; `tests/harness/execution/test_several_boards.py` does whole runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from harness.devices import retry
from harness.devices.transport.faults import AgentError, AgentLost, Away, ConnectionCut, DeadlinePassed, Unreachable
from harness.errors import DeviceError
from harness.execution import attendance
from harness.execution.attendance import ATTEMPTS, Attendance
from harness.execution.task import Task, TaskResult
from harness.store import Outcome, Unit

UNIT = Unit(kind="latency", spec={"device": {"name": "pi4"}})
TASK = Task(key=UNIT.key, unit=UNIT, function="tests.harness.execution.test_attendance:perform")
AWAY = Away('device "pi4": ssh pi@pi4: Connection refused')


class Board:
    """Each look finds the next of `looks`: a fault, or None for a board that answers."""

    name, kind, wait_s = "pi4", "ssh", 180.0

    def __init__(self, *looks: Exception | None) -> None:
        self.looks = list(looks)

    @contextmanager
    def open(self) -> Iterator[Any]:
        found = self.looks.pop(0)
        if found is not None:
            raise found
        yield _Session()


class _Session:
    def request(self, verb: str, *, deadline_s: float) -> dict[str, Any]:
        return {}


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    """The stage: each attempt meets the next fault of the context, which is a list."""
    fault = context.pop(0)
    if fault is not None:
        raise fault
    return Outcome(result={"attempts left": len(context)})


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    wait_for: Callable[..., str | None] = retry.wait_for
    monkeypatch.setattr(
        attendance, "wait_for", lambda device, **how: wait_for(device, **how, clock=clock.time, sleep=clock.sleep)
    )
    return clock


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def do(
    board: Any, faults: list[Exception | None], *, units: int = 1, told: list[str] | None = None
) -> list[TaskResult]:
    told = [] if told is None else told
    attending = Attendance(board, lambda unit, what: told.append(what))
    return [attending.perform(TASK, faults, lambda fraction: None) for _ in range(units)]  # type: ignore[arg-type]


def test_a_board_that_reboots_in_a_measurement_costs_that_one_and_no_other() -> None:
    """Ten units; the third is cut off; the board refuses twice while it boots."""
    board = Board(AWAY, AWAY, None)
    cut = ConnectionCut("the agent was lost in measure: connection cut", verb="measure")
    results = do(board, [None, None, cut, *[None] * 7], units=10)
    assert [result.outcome is None for result in results] == [False, False, True, *[False] * 7]
    assert results[2].reason == "the agent was lost in measure: connection cut"
    assert not any(result.away for result in results)


def test_a_measurement_that_began_is_not_done_again() -> None:
    faults: list[Exception | None] = [ConnectionCut("cut", verb="measure"), None]
    (result,) = do(Board(), faults)
    assert result.outcome is None
    assert faults == [None]


@pytest.mark.parametrize("verb", retry.CHANGE_NOTHING)
def test_what_had_not_begun_is_done_once_the_board_is_back(verb: str) -> None:
    (result,) = do(Board(None), [ConnectionCut("cut", verb=verb), None])
    assert result.outcome is not None


def test_a_board_that_is_away_is_waited_for_and_said_to_be(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    told: list[str] = []
    (result,) = do(Board(*[AWAY] * 8, None), [AWAY, None], told=told)
    assert result.outcome is not None
    assert told[0] == "waiting for pi4, 0 s of 3 min"
    assert told[-1] == "waiting for pi4, 24 s of 3 min"
    said = capsys.readouterr().err
    assert "pi4 does not answer; waiting for it, 3 min at most: " in said
    assert "Connection refused" in said
    assert "pi4 is back after 24 s" in said


def test_the_wait_ends_and_the_units_of_the_board_are_left_for_later(clock: Clock) -> None:
    board = Board(*[AWAY] * 1000)
    results = do(board, [AWAY], units=5)
    assert all(result.away and result.outcome is None for result in results)
    assert results[-1].reason.startswith("board away: it did not answer for 3 min")
    assert "Connection refused" in results[-1].reason
    assert 180 <= clock.now < 190


def test_how_long_a_board_is_waited_for_is_its_own(clock: Clock) -> None:
    board = Board(*[AWAY] * 1000)
    board.wait_s = 30.0
    do(board, [AWAY])
    assert 30 <= clock.now < 40


def test_a_board_that_is_not_waited_for_is_looked_for_once(clock: Clock) -> None:
    board = Board(AWAY, AWAY)
    board.wait_s = 0.0
    (result,) = do(board, [AWAY])
    assert result.away
    assert len(board.looks) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Unreachable("Permission denied"),
        AgentError("it says no", kind="ValueError", remote_traceback=""),
        AgentLost("signal 9", verb="measure"),
        DeviceError("anything else"),
    ],
)
def test_a_board_that_is_there_is_not_waited_for(fault: Exception) -> None:
    results = do(Board(), [fault, None], units=2)
    assert results[0].outcome is None
    assert not results[0].away
    assert results[1].outcome is not None


def test_a_board_that_froze_is_looked_for_before_the_next_unit() -> None:
    board = Board(DeadlinePassed("no answer to hello"), None)
    results = do(board, [DeadlinePassed("no answer to measure"), None], units=2)
    assert [result.outcome is None for result in results] == [True, False]
    assert board.looks == []


def test_an_artifact_that_makes_the_board_fall_is_not_loaded_for_ever() -> None:
    falls = [ConnectionCut("the agent was lost in load", verb="load") for _ in range(ATTEMPTS)]
    board = Board(*[None] * ATTEMPTS)
    results = do(board, [*falls, None], units=2)
    assert results[0].reason == "the agent was lost in load"
    assert not results[0].away
    assert results[1].outcome is not None


def test_whatever_answers_is_there_and_the_next_unit_says_what_is_wrong_with_it() -> None:
    broken = AgentError("No space left on device", kind="OSError", remote_traceback="")
    (result,) = do(Board(AWAY, broken), [AWAY, broken])
    assert result.reason == "No space left on device"
    assert not result.away


def test_what_goes_wrong_with_looking_is_left_to_the_next_unit() -> None:
    (result,) = do(Board(AWAY, OSError("Too many open files")), [AWAY, None])
    assert result.outcome is not None


class Local:
    name, kind = "this-host", "local"


def test_a_device_that_cannot_be_away_is_not_waited_for() -> None:
    (result,) = do(Local(), [DeadlinePassed("no answer within 60 s")])
    assert result.outcome is None
    assert not result.away
