"""`bitlens inspect` shows what is inside any flatbuffer, and which runtime has its operators."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.cli.inspection import as_text, inspect_file, runtimes_for
from harness.errors import ConfigError

ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"


def test_stock_artifact_runs_on_every_runtime() -> None:
    record = inspect_file(ARTIFACTS / "float.tflite")
    assert record["runtimes"] == ["ai-edge-litert", "tflite-runtime", "tensorflow"]


def test_inspect_prints_text_or_json() -> None:
    artifact = ARTIFACTS / "lce.tflite"
    text, as_json = (CliRunner().invoke(app, ["inspect", str(artifact), *more]).stdout for more in ((), ("--json",)))
    assert text == as_text(inspect_file(artifact)) + "\n"
    assert json.loads(as_json)["operators"]["LceBconv2d"] == 1
    assert json.loads(as_json) == json.loads(json.dumps(inspect_file(artifact)))


def test_text_shows_operators_multiplications_and_memory() -> None:
    text = as_text(inspect_file(ARTIFACTS / "lce.tflite"))
    assert "1 LceBconv2d" in text
    assert "0.0415 M binary, 0.0139 M float" in text
    assert "576 B binary" in text


def test_binary_operators_need_lce_or_ours() -> None:
    able = runtimes_for(["LceBconv2d", "LceQuantize"])
    assert "larq-compute-engine" in able
    assert not {"ai-edge-litert", "tflite-runtime", "tensorflow"} & set(able)


def test_flex_operators_need_tensorflow() -> None:
    assert runtimes_for(["FlexMatrixInverse"]) == ["tensorflow"]


def test_operators_that_nobody_knows_run_nowhere(tmp_path: Path) -> None:
    assert runtimes_for(["Digamma", "LceBconv2d"]) == []
    record = {**inspect_file(ARTIFACTS / "float.tflite"), "custom_operators": ("Digamma",), "runtimes": []}
    assert "no runtime that has Digamma" in as_text(record)


def test_missing_and_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not be read"):
        inspect_file(tmp_path / "none.tflite")
    (tmp_path / "not.tflite").write_text("hello, this is not a flatbuffer")
    with pytest.raises(ConfigError, match="is not a sound TFLite flatbuffer: expected the mark TFL3"):
        inspect_file(tmp_path / "not.tflite")
