"""`bitlens inspect` shows what is inside any flatbuffer, and which runtime has its operators."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from converters import schema
from converters.inspection import kernels
from device import flatbuffer, runtimes
from harness.cli.app import app
from harness.cli.inspection_record import inspect_file
from harness.cli.inspection_text import as_text, tensor_names
from harness.errors import ConfigError, DeviceError
from tests.converters import make_kernels
from tests.flatbuffers import hand_rows, loop_rows, recurrent_rows
from tests.flatbuffers.hand_made import packed
from tests.flatbuffers.recurrent_rows import FULL_LSTM

ROWS = hand_rows.ROWS | loop_rows.ROWS | recurrent_rows.ROWS
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


def of_row(name: str, folder: Path) -> tuple[dict[str, Any], str]:
    """Record and text of a file of the table."""
    path = folder / "some.tflite"
    path.write_bytes(ROWS[name].build())
    record = inspect_file(path)
    return record, as_text(record)


def test_binary_operators_need_lce_or_ours() -> None:
    able = inspect_file(ARTIFACTS / "lce.tflite")["runtimes"]
    assert able == ["ai-edge-litert+lce-ops", "tflite-runtime+lce-ops", "larq-compute-engine"]


def test_flex_operators_need_a_tensorflow_that_still_has_their_delegate(tmp_path: Path) -> None:
    record, text = of_row("an operator of TensorFlow", tmp_path)
    assert record["runtimes"] == []
    assert record["lacking"]["tensorflow"] == ["FlexMatrixInverse"]
    assert "no runtime that bitlens knows: none has FlexMatrixInverse\n" in text
    assert "TensorFlow to 2.18 has FlexMatrixInverse; later ones are built without the Flex delegate\n" in text


def test_a_detection_head_is_in_every_stock_runtime(tmp_path: Path) -> None:
    record, _ = of_row("a detection head", tmp_path)
    assert record["runtimes"] == ["ai-edge-litert", "tflite-runtime", "tensorflow"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("an operator that no runtime has", "no runtime that bitlens knows: none has SentencepieceOp"),
        ("a builtin operator of tomorrow", "no runtime that bitlens knows: none has BUILTINOPERATOR_300"),
        ("a version of tomorrow", "no runtime that bitlens knows: none has RELU version 99"),
        ("a part compiled for the Edge TPU", "the Edge TPU's delegate takes edgetpu-custom-op"),
    ],
)
def test_what_no_runtime_has_runs_nowhere(name: str, said: str, tmp_path: Path) -> None:
    record, text = of_row(name, tmp_path)
    assert record["runtimes"] == []
    assert said in text


def test_a_runtime_that_is_too_old_for_a_file_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    record, text = of_row("a composite", tmp_path)
    assert record["lacking"]["tflite-runtime"] == ["STABLEHLO_COMPOSITE"]
    assert "ai-edge-litert" in record["runtimes"]
    assert "tflite-runtime" not in record["runtimes"]
    assert "not on tflite-runtime: it has no STABLEHLO_COMPOSITE" in text


def test_what_cannot_be_told_is_unknown_and_a_part_is_at_least_that(tmp_path: Path) -> None:
    assert "\nMACs         unknown for 1 WHILE\n" in of_row("a loop that ends by what it computes", tmp_path)[1]
    assert "\nMACs         at least 24 float, unknown for 1 IF\n" in of_row("branches of different cost", tmp_path)[1]


def test_free_axes_are_question_marks_and_what_is_counted_says_for_which_shape(tmp_path: Path) -> None:
    record, text = of_row("LSTM over any number of sequences", tmp_path)
    assert record["inputs"][0]["shape_signature"] == (-1, 7, 3)
    assert "float32 ?x7x3\n" in text
    assert "float; for tensor_0 2x7x3\n" in text
    assert "unknown before an inference" in of_row("LSTM over sequences of any length", tmp_path)[1]


@pytest.mark.parametrize(
    ("name", "shape", "macs"),
    [
        ("LSTM over sequences of any length", "2x9x3", 2 * 9 * FULL_LSTM),
        ("LSTM over any number of sequences", "2x7x3", 2 * 7 * FULL_LSTM),
    ],
)
def test_with_shapes_a_runtime_works_out_the_rest(name: str, shape: str, macs: int, tmp_path: Path) -> None:
    of_row(name, tmp_path)
    record = inspect_file(tmp_path / "some.tflite", shapes=[shape])
    assert record["macs"]["float"] == macs
    assert (record["macs_unknown"], record["inputs"][0]["shape_signature"]) == ({}, None)
    assert record["arena_bytes"] is not None


def test_shapes_of_inputs_that_are_not_there_or_do_not_fit_are_refused(tmp_path: Path) -> None:
    of_row("LSTM over sequences of any length", tmp_path)
    for shape in ("words=1x2", "2x9x4", "2x9"):
        with pytest.raises(ConfigError, match=r"some\.tflite"):
            inspect_file(tmp_path / "some.tflite", shapes=[shape])


def test_a_file_that_does_not_run_says_why_its_shapes_stay_open(tmp_path: Path) -> None:
    of_row("an operator that no runtime has", tmp_path)
    with pytest.raises(DeviceError, match=r"some\.tflite: a run .* failed: .*SentencepieceOp"):
        inspect_file(tmp_path / "some.tflite", shapes=["1x6"])


def test_signatures_are_listed_with_the_names_that_callers_use(tmp_path: Path) -> None:
    record, text = of_row("two signatures with the same weights", tmp_path)
    assert [signature["name"] for signature in record["signatures"]] == ["encode", "decode"]
    assert "signature    decode(x float32 4x6) -> y float32 4x6; graph 1\n" in text
    assert record["graphs"][1]["macs"]["float"] == 4 * 36
    assert "MACs         36 float; of graph 0\n" in text


def test_graphs_say_who_runs_them(tmp_path: Path) -> None:
    assert 'graph 2 "body_0", run by WHILE of graph 0: MACs 36 float' in of_row("a loop of three rounds", tmp_path)[1]


def test_the_most_expensive_comes_first_and_the_order_of_the_graph_on_request() -> None:
    artifact = str(ARTIFACTS / "lce.tflite")
    text, in_order = (CliRunner().invoke(app, ["inspect", artifact, *more]).stdout for more in ((), ("--graph",)))
    tables = [one.partition('graph 0 "main"')[2] for one in (text, in_order)]
    places = [[table.index(name) for name in ("LceBconv2d", "CONV_2D")] for table in tables]
    assert places[0] == sorted(places[0])
    assert places[1] == sorted(places[1], reverse=True)


def test_a_tensor_of_many_fused_layers_goes_by_the_first() -> None:
    assert tensor_names(["a/b;c/d", "e"]) == "a/b;…, e"
    assert tensor_names(["x" * 100]) == "x" * 60 + "…"


def test_a_file_over_2_gb_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffer, "MOST_BYTES", 100)
    record, _ = of_row("constants behind the flatbuffer", tmp_path)
    assert record["parameters"] == 12 * 7
    assert record["sha256"] == hashlib.sha256((tmp_path / "some.tflite").read_bytes()).hexdigest()


@pytest.mark.slow
def test_constants_beyond_2_gb_are_counted(tmp_path: Path) -> None:
    model = schema.read(ROWS["constants behind the flatbuffer"].build())
    for buffer in model.buffers:
        buffer.offset += 2**31 if buffer.size else 0
    path = tmp_path / "large.tflite"
    path.write_bytes(packed(model))
    with path.open("r+b") as file:
        file.truncate(2**31 + 4096)
    record = inspect_file(path)
    assert (record["parameters"], record["flatbuffer_bytes"]) == (12 * 7, 2**31 + 4096)


def test_a_file_whose_constants_are_cut_off_says_so(tmp_path: Path) -> None:
    (tmp_path / "some.tflite").write_bytes(ROWS["constants behind the flatbuffer"].build()[:-100])
    with pytest.raises(ConfigError, match=r"it is cut off: it has [\d,]+ bytes, and its constants end at byte"):
        inspect_file(tmp_path / "some.tflite")


def test_missing_and_foreign_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not be read"):
        inspect_file(tmp_path / "none.tflite")
    (tmp_path / "not.tflite").write_text("hello, this is not a flatbuffer")
    with pytest.raises(ConfigError, match="is not a valid TFLite flatbuffer: expected the mark TFL3"):
        inspect_file(tmp_path / "not.tflite")


def test_the_documents_show_what_the_command_prints_and_every_field() -> None:
    page = (Path(__file__).parents[3] / "docs" / "inspect.md").read_text()
    record = inspect_file(ARTIFACTS / "lce.tflite")
    assert "\n".join(f"    {line}".rstrip() for line in as_text(record).splitlines()) in page
    graph = record["graphs"][0]
    for fields in (record, graph, graph["by_type"][0], graph["operators"][0], record["inputs"][0]):
        assert [name for name in fields if f"`{name}`" not in page] == []
    for runtime, has in kernels.table().items():
        assert f"{runtime} {has['version']}" in page


@pytest.mark.parametrize(
    "name", ["ai-edge-litert", "tflite-runtime", pytest.param("tensorflow", marks=pytest.mark.slow)]
)
def test_runtimes_have_the_operators_that_the_table_says(name: str) -> None:
    has = kernels.table()[name]
    if not any(row["name"] == name and row["version"] == has["version"] for row in runtimes.installed()):
        pytest.skip(f"needs {name} {has['version']}")
    assert make_kernels.asked(name, "builtin")["builtin"] == has["builtin"]
