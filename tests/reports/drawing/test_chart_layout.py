"""The trade-off as a picture: axes that hold all marks and intervals, round ticks, and height for every name."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.drawing.layout import HEIGHTS, layout, names


def record(x: float, y: float, name: str = "planted lce", **more: Any) -> dict[str, Any]:
    ends = {"x_low": 0.9 * x, "x_high": 1.1 * x, "y_low": max(0, y - 2), "y_high": min(100, y + 2)}
    return {"x": x, "y": y, **ends, "name": name, "worth_a_look": False, "is_invalid": False, **more}


@given(st.lists(st.tuples(st.floats(1e-3, 1e5), st.floats(0, 100)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_axes_hold_all_marks_with_their_intervals_and_have_numbers(points: list[tuple[float, float]]) -> None:
    records = [record(x, y) for x, y in points]
    plan = layout(records, width=600)
    for one in records:
        for name in ("x", "x_low", "x_high"):
            assert plan.x.low < one[name] < plan.x.high
        for name in ("y", "y_low", "y_high"):
            assert plan.y.low < one[name] < plan.y.high
    assert 2 <= len(plan.x.ticks) <= 30
    assert len(plan.y.ticks) >= 2
    assert all(plan.x.low <= tick <= plan.x.high for tick in plan.x.ticks)
    assert all(0 <= tick <= 100 for tick in plan.y.ticks)


def test_equal_ratios_are_equal_distances_along_the_latency() -> None:
    x = layout([record(1, 50), record(100, 50)], width=600).x
    assert x.share(10) - x.share(1) == pytest.approx(x.share(100) - x.share(10))
    assert math.isclose(x.share(x.low), 0)
    assert math.isclose(x.share(x.high), 1)


def test_latencies_close_together_have_numbers_at_even_distances() -> None:
    ticks = layout([record(2.1, 50), record(2.4, 60)], width=600).x.ticks
    assert len(ticks) >= 3
    assert len({round(b - a, 9) for a, b in zip(ticks, ticks[1:])}) == 1


def test_sixty_deployments_all_have_their_names_on_a_higher_plot() -> None:
    speeds = {"fp32": 6, "fp16": 5.5, "dynamic": 4, "int8": 3.1, "lce": 1.4, "lce-int8": 1.1}
    records = [
        record((1 + m / 5) * ms, 70 + 2 * m - f, f"model-{m} {name}")
        for m in range(10)
        for f, (name, ms) in enumerate(speeds.items())
    ]
    plan = layout(records, width=600)
    assert None not in plan.names
    assert plan.height > HEIGHTS[0]
    assert layout(records[:3], width=600).height == HEIGHTS[0]


def test_a_name_without_a_place_is_drawn_nowhere() -> None:
    heap = [record(1, 50, f"a deployment with a long name {i}") for i in range(50)]
    shown = [name["shown_name"] for name in names(heap, layout(heap, width=236))]
    assert len(shown) == 50
    assert 5 < shown.count("") < 50
