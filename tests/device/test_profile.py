"""Profiles by prefixes: every operator has its line, and the lines add up to the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import profile, runtimes

ARTIFACTS = Path(__file__).parent / "artifacts"
RUNTIMES = [runtime["name"] for runtime in runtimes.installed() if runtime["usable"]]


@pytest.mark.parametrize(
    ("name", "runtime"), [("float", "ai-edge-litert"), ("int8", "tflite-runtime"), ("lce", "auto")]
)
def test_operators_add_up_to_the_whole(name: str, runtime: str) -> None:
    if runtime != "auto" and runtime not in RUNTIMES:
        pytest.skip(f"needs {runtime}")
    result = profile.profile(
        str(ARTIFACTS / f"{name}.tflite"), runtime=runtime, num_threads=1, runs=3, on_progress=lambda report: None
    )
    rows = result["operators"]
    assert result["method"] == "prefix timing"
    assert sum(row["ns"] for row in rows) == rows[-1]["prefix_ns"]
    assert rows[-1]["name"] == "SOFTMAX"
    assert all(row["prefix_ns"] > 0 for row in rows)
