"""Models by name under `bitlens bench`: converted for latency only, without a data set, once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.cli.bench_options import is_flatbuffer, targets
from harness.devices.measured_inputs import InputRequest
from harness.errors import ConfigError, ConversionError
from harness.execution import latency_artifacts
from harness.execution.latency_artifacts import artifacts_of, formats_of, keep, model_of

ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"
NOTHING = InputRequest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bitlens" / "bench"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The formats of every conversion that was asked for; int8 fails, and others write their name."""
    asked: list[tuple[str, ...]] = []

    def converted(model: Any, paths: dict[str, Path]) -> dict[str, ConversionError]:
        asked.append(tuple(paths))
        for name, path in paths.items():
            if name != "int8":
                keep(path, f"{model.name} {name}".encode())
        return {"int8": ConversionError("no integers")} if "int8" in paths else {}

    monkeypatch.setattr(latency_artifacts, "_converted", converted)
    return asked


@pytest.mark.parametrize(
    ("name", "formats", "fitting"),
    [
        ("mobilenet-v2", (), ["fp32"]),
        ("quicknet", (), ["lce"]),
        ("mobilenet-v2", ("int8", "lce"), ["int8"]),
        ("quicknet", ("int8", "lce", "fp32"), ["lce", "fp32"]),
    ],
)
def test_a_model_is_timed_in_the_formats_that_fit_it(name: str, formats: tuple[str, ...], fitting: list[str]) -> None:
    assert formats_of(model_of(name, size=None), formats) == fitting


@pytest.mark.parametrize(
    ("names", "formats", "sentence"),
    [
        (
            ["quicknet", "mobilenet-v2"],
            ["lce"],
            r'model "mobilenet-v2" is full-precision, .*\n  try: --format fp32,fp16,',
        ),
        (["mobilenet", "quicknet"], ["int8"], 'model "quicknet" is binarized'),
        (["quicknet"], ["lce", "int9"], r'there is no format "int9"\n  try: "int8"'),
        (
            ["quicknet", "mobilnet-v2"],
            [],
            r'expected a file or a model of the catalogue, got "mobilnet-v2"\n  try: "mobilenet-v2"',
        ),
        (["quicknet", "mine.h5"], [], 'found no file "mine.h5"'),
        ([str(ARTIFACTS / "float.tflite")], ["int8"], "--format: expected a model to convert, got flatbuffers alone"),
    ],
)
def test_what_fits_nothing_is_refused_before_anything_is_converted(
    names: list[str], formats: list[str], sentence: str, conversions: list[Any]
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        targets(names, formats, NOTHING)
    assert conversions == []


def test_what_is_converted_once_is_taken_from_the_cache(conversions: list[Any], cache: Path) -> None:
    model = model_of("planted-float", size=None)
    first, again = (artifacts_of(model, ["fp32", "fp16"]) for _ in range(2))
    assert first == again
    assert conversions == [("fp32", "fp16")]
    assert {artifact.path.parent for artifact in first if artifact.path} == {cache}
    artifacts_of(model, ["fp16", "dynamic"])
    assert conversions[1:] == [("dynamic",)]


def test_where_files_are_open_to_a_group_the_cache_is_one_all_the_same(conversions: list[Any]) -> None:
    before = os.umask(0o002)
    try:
        for _ in range(2):
            artifacts_of(model_of("planted-float", size=None), ["fp32"])
    finally:
        os.umask(before)
    assert conversions == [("fp32",)]


def test_what_was_altered_in_the_cache_is_converted_again(conversions: list[Any]) -> None:
    model = model_of("planted-float", size=None)
    [artifact] = artifacts_of(model, ["fp32"])
    assert artifact.path is not None
    artifact.path.write_bytes(artifact.path.read_bytes()[:5])
    artifacts_of(model, ["fp32"])
    artifact.path.with_suffix(".sha256").unlink()
    artifacts_of(model, ["fp32"])
    assert conversions == [("fp32",)] * 3


def test_other_weights_are_another_artifact(conversions: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "mine.h5"
    paths = []
    for content in (b"one", b"two"):
        file.write_bytes(content)
        paths += [artifact.path for artifact in artifacts_of(model_of(str(file), size=None), ["fp32"])]
    paths += [artifact.path for artifact in artifacts_of(model_of(str(file), size=(32, 32)), ["fp32"])]
    assert len(set(paths)) == 3


def test_a_format_that_fails_holds_up_no_other(conversions: list[Any]) -> None:
    chosen = targets(["planted-float"], ["fp32", "int8", "fp16"], NOTHING)
    assert chosen.names == ("planted-float fp32", "planted-float int8", "planted-float fp16")
    assert list(chosen.files) == ["planted-float fp32", "planted-float fp16"]
    assert str(chosen.failures["planted-float int8"]) == "no integers"


def test_a_format_that_does_not_fit_a_model_is_said_to_be_left_out(
    conversions: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = targets(["planted-float", "planted-binary"], ["fp16", "lce"], NOTHING)
    assert chosen.names == ("planted-float fp16", "planted-binary lce")
    said = capsys.readouterr().err
    assert "planted-float: lce left out, which is for binarized models alone\n" in said
    assert "planted-binary: fp16 left out, which is for full-precision models alone\n" in said


def test_what_the_weights_are_is_said(conversions: list[Any]) -> None:
    notes = {name: artifacts_of(model_of(name, size=None), ["fp16"])[0].note for name in ("planted-float", "mobilenet")}
    assert notes["planted-float"] == "converted with trained weights: for latency only"
    assert notes["mobilenet"] == "converted with random weights: for latency only"
    [int8] = artifacts_of(model_of("mobilenet", size=None), ["int8"])
    assert int8.note == "converted with random weights, int8 ranges of random images: for latency only"


def test_a_flatbuffer_is_one_by_its_content_or_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes((ARTIFACTS / "float.tflite").read_bytes())
    (tmp_path / "broken.tflite").write_bytes(b"")
    (tmp_path / "saved.tflite").mkdir()
    (tmp_path / "x.h5").write_bytes(b"\x89HDF")
    os.mkfifo(tmp_path / "pipe")
    names = ("renamed", "broken.tflite", "saved.tflite", "x.h5", "pipe")
    assert [name for name in names if is_flatbuffer(str(tmp_path / name))] == ["renamed", "broken.tflite"]
    assert not is_flatbuffer("quicknet")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x89HDF\r\n\x1a\n cut off"])
def test_a_keras_file_that_is_none_costs_itself_alone(content: bytes, tmp_path: Path, conversions: list[Any]) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes(content)
    chosen = targets([str(path), str(ARTIFACTS / "float.tflite"), "planted-float"], [], NOTHING)
    assert isinstance(chosen.failures[str(path)], ConfigError)
    assert list(chosen.files) == [str(ARTIFACTS / "float.tflite"), "planted-float fp32"]


@pytest.mark.slow
def test_models_of_the_catalogue_are_timed_beside_a_file_and_again_without_converting(cache: Path) -> None:
    arguments = ["bench", "planted-float", "cifar-binary", str(ARTIFACTS / "float.tflite"), "--format", "int8-io,lce"]
    first, again = (CliRunner().invoke(app, [*arguments, "--rounds", "1", "--seconds", "0", "--json"]) for _ in "12")
    assert (first.exit_code, again.exit_code) == (0, 0), first.output
    assert "planted-float: converting to int8-io" in first.stderr
    assert "converting" not in again.stderr
    rows = json.loads(again.stdout)
    assert list(rows) == ["planted-float int8-io", "cifar-binary lce", str(ARTIFACTS / "float.tflite")]
    assert rows["planted-float int8-io"][0]["records"][0]["inputs"][0]["dtype"] == "int8"
    assert rows["cifar-binary lce"][0]["records"][0]["runtime"].endswith(("lce-ops", "larq-compute-engine"))
    assert len(list(cache.glob("*.tflite"))) == 2


@pytest.mark.slow
def test_a_keras_file_is_timed_without_a_word_about_its_pixels_and_outputs(tmp_path: Path) -> None:
    """Sizes that it leaves open come from the shape that was asked for; logits, rescaled or not, change no latency."""
    import tf_keras

    layers = [
        tf_keras.layers.Rescaling(1 / 255, input_shape=(None, None, 3)),
        tf_keras.layers.Conv2D(4, 3),
        tf_keras.layers.GlobalAveragePooling2D(),
        tf_keras.layers.Dense(7, activation="tanh"),
    ]
    path = tmp_path / "mine.h5"
    tf_keras.Sequential(layers).save(path)
    good, integers, unfit = artifacts_of(model_of(str(path), size=(24, 32)), ["fp32", "int8", "lce"])
    assert (good.failure, integers.failure) == (None, None)
    assert good.name == f"{path} fp32"
    assert "it is full-precision, and the format is for binarized models" in str(unfit.failure)
    [refused] = artifacts_of(model_of(str(path), size=None), ["fp32"])
    assert "leaves the size of its input open" in str(refused.failure)
    assert "--input-shape 1x224x224x3" in str(refused.failure)
