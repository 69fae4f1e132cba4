"""Flatbuffers of every kind: `inspect` says what a hand counts, and a runtime gives a number or a reason."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from converters.contents import contents
from converters.inspection.kernels import table
from device import runtimes
from harness.cli.app import app
from harness.cli.inspection_record import inspect_file
from harness.cli.inspection_text import as_text
from harness.devices import operator_costs
from harness.devices.device import make_device
from tests.flatbuffers import converted_rows, hand_rows, loop_rows, quantized_rows, recurrent_rows
from tests.flatbuffers.table import BOTH
from tests.flatbuffers.timing import timed

ROWS = hand_rows.ROWS | loop_rows.ROWS | recurrent_rows.ROWS | converted_rows.ROWS | quantized_rows.ROWS
ANOTHER_FILE, ITSELF = "constants in another file", "a graph that runs itself"
# It has all its operators there as well, and TensorFlow's XNNPACK takes no int4 with one scale for all.
CANNOT = {("tensorflow", "int4 weights")}
MARKED = [pytest.param(name, marks=[pytest.mark.slow] * row.slow) for name, row in ROWS.items()]
NAMES = {"quick": [name for name, row in ROWS.items() if not row.slow], "all": list(ROWS)}
INSTALLED = {row["name"]: row["version"] for row in runtimes.installed() if row["usable"]}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flatbuffers")


@cache
def content(name: str) -> bytes:
    return ROWS[name].build()


def file_of(name: str, folder: Path) -> Path:
    path = folder / f"{list(ROWS).index(name):02}.tflite"
    if not path.exists():
        path.write_bytes(content(name))
    return path


def test_there_are_far_more_than_forty() -> None:
    assert len(ROWS) >= 70
    assert len(NAMES["quick"]) >= 60


@pytest.mark.parametrize("name", MARKED)
def test_figures_are_those_counted_by_hand(name: str) -> None:
    row, inside = ROWS[name], contents(content(name))
    assert {kind: count for kind, count in inside.macs.items() if count} == row.macs
    assert inside.macs_unknown == row.unknown
    if row.parameters is not None:
        assert inside.parameters == row.parameters
    assert row.operators.items() <= inside.operators.items()


@pytest.mark.parametrize("name", MARKED)
def test_inspect_shows_each_in_words_and_as_json(name: str, folder: Path) -> None:
    record = inspect_file(file_of(name, folder))
    assert json.loads(json.dumps(record, allow_nan=False))["macs_unknown"] == ROWS[name].unknown
    words = as_text(record)
    assert ("unknown for" in words) == any(graph["macs_unknown"] for graph in record["graphs"])
    for graph in record["graphs"]:
        assert sum(row["count"] for row in graph["by_type"]) == len(graph["operators"])
        if not graph["macs_unknown"]:
            whole = sum(graph["macs"].values())
            assert (
                sum(row["macs"] for row in graph["operators"]) == sum(row["macs"] for row in graph["by_type"]) == whole
            )


def is_another(runtime: str) -> bool:
    """Whether the installed one is not the version that inspect was told of: a newer one may have more kernels."""
    return INSTALLED[runtime] != table()[runtime]["version"]


@pytest.mark.parametrize(
    ("runtime", "which"),
    [(name, "quick") for name in BOTH] + [pytest.param("tensorflow", "all", marks=pytest.mark.slow)],
)
def test_a_runtime_gives_a_number_or_the_reason_that_inspect_foresees(runtime: str, which: str, folder: Path) -> None:
    if runtime not in INSTALLED:
        pytest.skip(f"needs {runtime}")
    asked = {
        name: (file_of(name, folder), ROWS[name].shapes) for name in NAMES[which] if ROWS[name].timed_by is not None
    }
    for name, answer in timed(runtime, asked).items():
        able = runtime in inspect_file(asked[name][0])["runtimes"]
        if runtime in BOTH:
            assert isinstance(answer, int) == (runtime in (ROWS[name].timed_by or ())), (name, answer)
            assert isinstance(answer, int) or re.search(ROWS[name].reason, answer), (name, answer)
        if name not in (ANOTHER_FILE, ITSELF) and (runtime, name) not in CANNOT:
            assert isinstance(answer, int) == able or (is_another(runtime) and not able), (name, answer)


def test_the_command_times_what_it_can_and_says_why_not_of_the_rest(folder: Path) -> None:
    timed_names = ("uint8, one scale for all", "LSTM over a sequence")
    paths = {name: str(file_of(name, folder)) for name in (*timed_names, "an operator that no runtime has")}
    arguments = ["bench", *paths.values(), "--rounds", "1", "--seconds", "0", "--json"]
    answer = CliRunner().invoke(app, arguments)
    rows = {name: json.loads(answer.stdout)[path][0] for name, path in paths.items()}
    assert all(rows[name]["records"][0]["samples_ns"] for name in timed_names)
    assert "SentencepieceOp" in rows["an operator that no runtime has"]["failures"][0]
    assert answer.exit_code == 1


@pytest.mark.parametrize("name", ["a loop of three rounds", "variables", "SVDF"])
def test_a_profile_of_loops_and_state_adds_up_and_names_every_operator(name: str, folder: Path) -> None:
    path = file_of(name, folder)
    profile = operator_costs.profile(make_device({"name": "this-host", "kind": "local"}), path, runs=2)
    names = [row["operator"] for row in inspect_file(path)["graphs"][0]["operators"]]
    assert [row["name"] for row in profile["operators"]] == names
    assert sum(row["ns"] for row in profile["operators"]) == profile["total_ns"]
