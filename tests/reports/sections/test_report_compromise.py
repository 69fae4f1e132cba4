"""The rule of what is worth considering, on random tables: with ties, missing numbers and intervals of any width."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.sections.compromise import dominates, worth_a_look
from reports.sections.recommendation import ACCURACY, LATENCY

AXES = (LATENCY, ACCURACY)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for axis, values in ((LATENCY, st.integers(1, 12)), (ACCURACY, st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9]))):
        value = draw(st.none() | values)
        reach = draw(st.none() | st.sampled_from([0.0, 0.01, 0.1, 0.4]))
        unknown = value is None or reach is None
        row |= {
            axis.value: value,
            axis.low: None if unknown else value * (1 - reach),
            axis.high: None if unknown else value * (1 + reach),
        }
    return row


tables = st.lists(rows(), min_size=1, max_size=8)


@given(tables)
def test_somebody_is_always_worth_a_look(table: list[dict[str, Any]]) -> None:
    assert worth_a_look(table, AXES)


@given(tables)
def test_nobody_left_out_is_clearly_better_than_all_that_stay_on_any_axis(table: list[dict[str, Any]]) -> None:
    kept = worth_a_look(table, AXES)
    for row in (row for row in table if row not in kept):
        for axis in AXES:
            assert not axis.known(row) or any(axis.known(other) and not axis.better(row, other) for other in kept)
            assert not all(axis.clearly_better(row, other) for other in kept)


@given(tables)
def test_whoever_is_left_out_is_dominated_by_one_that_stays(table: list[dict[str, Any]]) -> None:
    kept = worth_a_look(table, AXES)
    assert all(any(dominates(other, row, AXES) for other in kept) for row in table if row not in kept)


@given(rows(), rows(), rows())
def test_dominating_is_transitive_and_never_mutual(one: Any, two: Any, three: Any) -> None:
    if dominates(one, two, AXES):
        assert not dominates(two, one, AXES)
        if dominates(two, three, AXES):
            assert dominates(one, three, AXES)


@given(tables)
def test_the_best_estimate_of_every_axis_stays(table: list[dict[str, Any]]) -> None:
    kept = worth_a_look(table, AXES)
    for axis in AXES:
        known = [row for row in table if axis.known(row)]
        assert not known or any(axis.known(row) and all(axis.at_least(row, other) for other in known) for row in kept)


@given(tables)
def test_the_order_of_the_table_changes_nothing(table: list[dict[str, Any]]) -> None:
    kept, mirrored = worth_a_look(table, AXES), worth_a_look(table[::-1], AXES)
    assert mirrored[::-1] == kept


def test_a_lead_in_latency_is_the_logarithm_of_the_ratio() -> None:
    fast, slow = ({"p50_ms": ms, "p50_low_ms": 0.9 * ms, "p50_high_ms": 1.1 * ms} for ms in (2.0, 5.0))
    lead = LATENCY.lead(fast, slow)
    assert lead.value == pytest.approx(math.log(2.5))
    assert lead.low == pytest.approx(lead.value - math.hypot(math.log(1.1), math.log(1 / 0.9)))
