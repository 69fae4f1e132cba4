"""A device whose agent has its answers ready: those of a recorded run, with chosen times in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.devices.client import measure
from harness.devices.sustained import measure_sustained
from tests.reports.recorded_results import result_of

ARTIFACT = Path(__file__)  # any file: what would run it answers without looking
CONDITIONS = {"load_average": 0.1, "governors": ["performance"], "temperatures_c": {"thermal_zone0:cpu": 48.25}}


class ReadyAgent:
    """A device and its session at once."""

    def __init__(self, kind: str, answer: dict[str, Any]) -> None:
        self.name, self.kind, self._answer = "ready", kind, answer

    @contextmanager
    def open(self) -> Iterator[ReadyAgent]:
        yield self

    def put(self, *what: Any, **how: Any) -> None:
        """It has every artifact."""

    def request(self, verb: str, **arguments: Any) -> dict[str, Any]:
        return self._answer


def latency_record(unit_spec: dict[str, Any], **answers: Any) -> dict[str, Any]:
    """The record of a latency unit, made as the latency stage makes it, of an agent's answers."""
    device = unit_spec["device"]["kind"]
    what = ReadyAgent(device, _answer(device, **answers)), ARTIFACT
    how = {
        "preprocessing": unit_spec["model"]["preprocessing"] or None,
        "num_threads": unit_spec["num_threads"],
        "protocol": unit_spec["protocol"],
        "runtime": unit_spec["runtime"],
    }
    if "sustained_s" in unit_spec:
        return measure_sustained(*what, seconds=unit_spec["sustained_s"], **how)
    return measure(*what, **how)


COUNTED = ("samples_ns", "warmup_ns", "first_run_ns", "steady", "peak_rss_bytes", "major_page_faults", "energy")


def _answer(device: str, **answers: Any) -> dict[str, Any]:
    """What load and measure answer, or load and count: all that a record holds but what the client adds."""
    answer = result_of("latency", **answers)
    ends = {when: answer["circumstances"][when] | CONDITIONS for when in ("before", "after")}
    if "circumstances" not in answers:
        answer["circumstances"] = {**answer["circumstances"], **ends}
    if device == "emulated":
        return {name: value for name, value in answer.items() if name not in COUNTED}
    return {name: value for name, value in answer.items() if name != "instructions"}
