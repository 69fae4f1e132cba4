"""A board's clock is corrected and said in words; the load of a fresh boot is waited out, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from harness.devices.surroundings import (
    FRESH_BOOT_S,
    LOOK_S,
    Surroundings,
    clock_in_words,
    look_around,
)


class Board:
    """Answers stat: so long after its start, with so many CPUs busy, its clock so far ahead."""

    def __init__(self, *, uptime_s: float, busy: Callable[[float], float], ahead_s: float = 0.0) -> None:
        self.uptime_s, self._busy, self._ahead_s, self.asked = uptime_s, busy, ahead_s, 0
        self._busy_seconds = 0.0

    def request(self, verb: str, *, deadline_s: float) -> dict[str, Any]:
        assert verb == "stat"
        self.asked += 1
        return {
            "uptime_s": self.uptime_s,
            "unix_time": time.time() + self._ahead_s,
            "monotonic_ns": int(self.uptime_s * 1e9),
            "cpu_seconds": {"busy": self._busy_seconds, "idle": 0.0, "stolen": 0.0},
            "own_cpu_seconds": 0.0,
        }

    def clock(self) -> float:
        return self.uptime_s

    def sleep(self, seconds: float) -> None:
        self._busy_seconds += self._busy(self.uptime_s) * seconds
        self.uptime_s += seconds


def look(board: Board, told: list[Any] | None = None) -> Surroundings:
    on_progress = told.append if told is not None else None
    return look_around(board, on_progress=on_progress, clock=board.clock, sleep=board.sleep)  # type: ignore[arg-type]


def test_a_board_that_has_been_on_for_a_while_is_asked_once() -> None:
    board = Board(uptime_s=FRESH_BOOT_S, busy=lambda at: 4.0)
    assert look(board).settled_s is None
    assert board.asked == 1


def test_the_load_of_a_fresh_boot_is_waited_out() -> None:
    told: list[Any] = []
    board = Board(uptime_s=20.0, busy=lambda at: 2.5 if at < 50 else 0.01)
    around = look(board, told)
    assert 50 <= board.uptime_s <= 50 + 2 * LOOK_S
    assert around.settled_s == board.uptime_s - 20
    assert around.other_cpus == pytest.approx(0.01)
    assert told[0] == {"stage": "settling", "waited_s": LOOK_S}


def test_a_fresh_board_that_is_quiet_costs_one_look() -> None:
    board = Board(uptime_s=20.0, busy=lambda at: 0.0)
    assert look(board).settled_s == LOOK_S


def test_the_wait_is_bounded() -> None:
    around = look(Board(uptime_s=20.0, busy=lambda at: 1.0))
    assert around.settled_s == FRESH_BOOT_S - 20.0
    assert around.other_cpus == pytest.approx(1.0)


def test_a_board_that_does_not_say_how_long_it_is_on_is_not_waited_for() -> None:
    class Mute:
        def request(self, verb: str, *, deadline_s: float) -> dict[str, Any]:
            return {"uptime_s": None}

    around = look_around(Mute(), sleep=lambda seconds: pytest.fail("it waits"))  # type: ignore[arg-type]
    assert (around.settled_s, around.clock_ahead_s) == (None, None)


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (-60002740.0, "694 days behind"),
        (5400.0, "90 minutes ahead"),
        (3.6e4, "10 hours ahead"),
        (-45.2, "45 seconds behind"),
        (1.0, "1 second ahead"),
        (-100_000.0, "28 hours behind"),
        (1e10, "115741 days ahead"),
    ],
)
def test_a_skew_is_said_in_the_unit_that_a_person_would_use(ahead_s: float, words: str) -> None:
    assert clock_in_words(ahead_s) == words


def test_records_get_this_hosts_time_and_keep_how_wrong_the_boards_clock_was() -> None:
    around = look(Board(uptime_s=1000.0, busy=lambda at: 0.0, ahead_s=-60002740.0))
    assert around.clock_ahead_s == pytest.approx(-60002740.0, abs=1)
    now = time.time()
    wrong = {"before": {"unix_time": now - 60002740.0, "load_average": 0.1}, "during": [], "after": {}}
    right = around.corrected(wrong)
    assert right["before"]["unix_time"] == pytest.approx(now, abs=1)
    assert right["before"]["load_average"] == 0.1
    assert right["clock_ahead_s"] == around.clock_ahead_s
    assert wrong["before"]["unix_time"] == now - 60002740.0


def test_a_clock_that_is_right_within_the_answers_way_is_left_alone() -> None:
    around = Surroundings(stat={}, clock_ahead_s=0.4)
    assert around.corrected({"before": {"unix_time": 5.0}, "after": {}})["before"]["unix_time"] == 5.0
