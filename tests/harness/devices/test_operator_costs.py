"""What operators cost: nothing is negative, all of it is the whole, and clean times stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.profile_text import profile_lines
from harness.devices.operator_costs import costs, operator_costs
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import ARTIFACTS

TIMES = st.lists(st.integers(1, 10**12), min_size=1, max_size=200)


@given(TIMES)
def test_costs_are_never_negative_and_add_up_to_the_whole_graph(prefix_ns: list[int]) -> None:
    found = costs(prefix_ns)
    assert min(found) >= 0
    assert sum(found) == prefix_ns[-1]


@given(TIMES.map(sorted))
def test_times_that_only_rise_stay_as_they_are(prefix_ns: list[int]) -> None:
    assert costs(prefix_ns) == [now - before for now, before in zip(prefix_ns, [0, *prefix_ns])]


def test_a_prefix_that_fell_is_shared_between_neighbours() -> None:
    assert costs([100, 300, 200, 400]) == [100, 150, 0, 150]


def test_a_prefix_above_the_whole_costs_the_whole() -> None:
    assert costs([100, 500, 400]) == [100, 300, 0]


def profile_of(prefix_ns: list[int]) -> dict[str, object]:
    answer = {"method": "prefix timing", "runtime": "some", "delegate": "none", "prefix_ns": prefix_ns}
    return operator_costs(answer, ARTIFACTS / "float.tflite")


def test_operators_are_named_with_their_tensors_from_the_file() -> None:
    profile = profile_of([1_000_000, 6_000_000, 5_500_000, 7_000_000, 8_000_000])
    assert [row["name"] for row in profile["operators"]] == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]
    assert profile["operators"][-1]["outputs"] == ("Identity",)
    assert profile["total_ns"] == sum(row["ns"] for row in profile["operators"]) == 8_000_000


def test_types_come_by_cost_and_operators_in_order_on_request() -> None:
    profile = profile_of([1_000_000, 6_000_000, 5_500_000, 7_000_000, 8_000_000])
    by_type, in_order = ("\n".join(profile_lines(profile, in_order=order)) for order in (False, True))
    assert "8.000 ms by prefix timing" in by_type
    assert "CONV_2D              2  5.750 ms  71.9 %" in by_type
    words = [line.split()[1] for line in in_order.splitlines()[2:]]
    assert words == ["CONV_2D", "CONV_2D", "MEAN", "FULLY_CONNECTED", "SOFTMAX"]


def test_operators_that_take_less_than_a_microsecond_are_not_shown_as_zero() -> None:
    lines = "\n".join(profile_lines(profile_of([3_000, 3_800, 5_000, 5_180, 5_300]), in_order=True))
    assert "0.000 ms" not in lines
    assert all(time in lines for time in ("0.0053 ms", "0.003 ms", "0.0008 ms", "0.00018 ms"))


def test_a_file_that_cannot_be_named_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="could not be named"):
        operator_costs({"prefix_ns": [1]}, tmp_path / "gone.tflite")
