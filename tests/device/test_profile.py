"""Profiles by prefixes: every operator has its prefix, and state and loops are no hindrance."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import flatbuffer, profile, runtimes

ARTIFACTS = Path(__file__).parent / "artifacts"
RUNTIMES = [runtime["name"] for runtime in runtimes.installed() if runtime["usable"]]


@pytest.mark.parametrize(
    ("name", "runtime"), [("float", "ai-edge-litert"), ("int8", "tflite-runtime"), ("lce", "larq-compute-engine")]
)
def test_every_operator_has_its_prefix(name: str, runtime: str) -> None:
    if runtime not in RUNTIMES:
        pytest.skip(f"needs {runtime}")
    result = profile.profile(
        str(ARTIFACTS / f"{name}.tflite"), runtime=runtime, num_threads=1, runs=3, on_progress=lambda report: None
    )
    assert result["method"] == "prefix timing"
    assert len(result["prefix_ns"]) == len(flatbuffer.operators((ARTIFACTS / f"{name}.tflite").read_bytes()))
    assert all(time > 0 for time in result["prefix_ns"])
