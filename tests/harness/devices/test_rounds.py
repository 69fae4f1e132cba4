"""Interleaving, and the spread between processes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.devices.rounds import interleaved, spread_between_processes


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
