"""docs/devices.md and docs/measuring.md know every kind, runtime, fault and bound that the code knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from device.latency import DEFAULT_PROTOCOL
from device.runtimes import RUNTIMES
from harness.devices import surroundings, validity
from harness.devices.device import KINDS
from harness.devices.transport import faults
from harness.registry import resolve
from reports.data.stats import SMALLEST_SAMPLE

DOCS = Path(__file__).parents[3] / "docs"
DEVICES, MEASURING, REFERENCE = (
    (DOCS / name).read_text() for name in ("devices.md", "measuring.md", "experiment-file.md")
)
KEYS = {field.name for kind in KINDS.values() for field in dataclasses.fields(resolve(kind.load))}


@pytest.mark.parametrize("name", [*KINDS, *(runtime.name for runtime in RUNTIMES)])
def test_every_kind_and_runtime_is_documented(name: str) -> None:
    assert f"`{name}`" in DEVICES


@pytest.mark.parametrize("name", sorted(KEYS - {"name", "kind"}))
def test_every_key_of_a_kind_is_documented(name: str) -> None:
    assert f"\n| `{name}` | " in REFERENCE


@pytest.mark.parametrize("fault", ["Unreachable", "Away", "ConnectionCut", "AgentLost", "DeadlinePassed", "AgentError"])
def test_every_fault_is_documented(fault: str) -> None:
    assert hasattr(faults, fault)
    assert f"`{fault}`" in DEVICES


def test_the_documented_bounds_are_those_of_the_code() -> None:
    assert f"differ by {validity.DRIFT_SUSPECT:.0%} | by {validity.DRIFT_INVALID:.0%}".replace("%", " %") in MEASURING
    assert f"{validity.OTHER_CPUS_SUSPECT} CPUs kept busy by others" in MEASURING
    assert f"{validity.STOLEN_SUSPECT:.0%} of the CPU time stolen".replace("%", " %") in MEASURING
    assert f"by more than {validity.SPREAD_SUSPECT:.0%} of the middle one".replace("%", " %") in MEASURING
    assert f"beyond {surroundings.CLOCK_SKEW_S:.0f} s the times" in MEASURING
    assert f"a sensor at {validity.HOT_C:.0f} °C" in MEASURING
    assert f"a sensor reads {DEFAULT_PROTOCOL['cool_below_c']:.0f} °C or more" in MEASURING
    assert f"`min_runs`\n({DEFAULT_PROTOCOL['min_runs']})" in MEASURING
    assert f"windows of {DEFAULT_PROTOCOL['warmup_window']} runs" in MEASURING
    for percent, needed in SMALLEST_SAMPLE.items():
        assert f"{needed} {'samples ' if percent == 50 else ''}for p{percent}" in MEASURING
