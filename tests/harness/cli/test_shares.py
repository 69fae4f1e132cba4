"""Shares add up to 100 %, and each is the nearest but for what that takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.cli.shares import percentages


def test_three_thirds_are_a_hundred_percent() -> None:
    assert percentages([1, 1, 1]) == ["33.4 %", "33.3 %", "33.3 %"]


def test_shares_of_nothing_are_blank() -> None:
    assert percentages([0, 0]) == ["", ""]
    assert percentages([]) == []


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=400).filter(any))
def test_shares_add_up_and_lie_within_a_tenth(parts: list[int]) -> None:
    tenths = [round(float(text.removesuffix(" %")) * 10) for text in percentages(parts)]
    assert sum(tenths) == 1000
    assert all(abs(tenth - part / sum(parts) * 1000) < 1 + 1e-6 for tenth, part in zip(tenths, parts))
