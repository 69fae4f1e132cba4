"""Interleaving, the spread between processes, and burst against sustained speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.devices.rounds import Sustained, interleaved, ranking_changed, spread_between_processes, sustained


@given(st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=8), st.integers(1, 5), st.integers(0, 99))
def test_every_round_holds_every_item_once(items: list[str], rounds: int, seed: int) -> None:
    order = interleaved(items, rounds=rounds, seed=seed)
    for number in range(rounds):
        assert sorted(item for n, item in order if n == number) == sorted(items)
    assert [n for n, _ in order] == sorted(n for n, _ in order)


def test_the_order_depends_on_seed_and_round_but_not_on_the_order_of_the_items() -> None:
    items = list("abcdefgh")
    assert interleaved(items, rounds=2, seed=1) == interleaved(items[::-1], rounds=2, seed=1)
    assert interleaved(items, rounds=1, seed=1) != interleaved(items, rounds=1, seed=2)
    order = [item for _, item in interleaved(items, rounds=2, seed=1)]
    assert order[:8] != order[8:]


def test_spread_between_processes_is_that_of_their_medians() -> None:
    assert spread_between_processes([[1, 10, 100], [11, 11, 11], [9, 9, 9]]) == pytest.approx(0.2)
    assert spread_between_processes([[1, 2, 3]]) is None


def glances(runs_per_second: list[int]) -> list[dict[str, int]]:
    """What is noted once a second: the position of the next run, and the time."""
    positions = [sum(runs_per_second[:second]) for second in range(len(runs_per_second))]
    return [{"run": run, "monotonic_ns": 5 + second * 10**9} for second, run in enumerate(positions)]


def test_a_board_that_slows_down_is_told_by_its_last_fifth() -> None:
    cool, hot = [100] * 300, [200] * 300  # 30 s with ten runs in each, then 60 s with five
    found = sustained(cool + hot, glances([10] * 30 + [5] * 61))
    assert found is not None
    assert (found.burst_ns, found.sustained_ns, found.seconds) == (100, 200, 90.0)
    assert found.slowdown == 2.0


def test_a_short_measurement_says_nothing_about_sustained_speed() -> None:
    assert sustained([10] * 100, glances([10] * 10)) is None
    assert sustained([], []) is None


def test_a_ranking_changes_when_the_fast_one_throttles() -> None:
    steady = Sustained(burst_ns=20.0, sustained_ns=20.0, seconds=60.0)
    throttling = Sustained(burst_ns=10.0, sustained_ns=30.0, seconds=60.0)
    assert ranking_changed({"steady": steady, "throttling": throttling})
    assert not ranking_changed({"steady": steady, "same": steady})
