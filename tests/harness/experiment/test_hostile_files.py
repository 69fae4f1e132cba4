"""Experiment files from any hand: one sentence at once, whatever the bytes, the depth or the size of a number."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.experiment.reader import read_experiment

GOOD = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
"""
OWN = """
formats = ["fp32"]
[dataset]
kind = "planted"
[[model]]
name = "mine"
path = "mine.h5"
classes = 10
[model.preprocessing]
height = 32
width = 32
"""
SMOOTH = GOOD + '[saliency]\nmethods = [{{name = "smoothgrad", {} = {}}}]'


def refusal(path: Path, content: str | bytes | None = None, **options: Path) -> str:
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        read_experiment(path, **options)
    assert len(str(caught.value)) < 1000
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experiment.toml"


# -------------------------------------------------------------------------------------------------------------- files
def test_what_is_no_regular_file_is_a_sentence_at_once(path: Path) -> None:
    assert "expected a regular file, got a folder" in refusal(path.parent)
    assert "expected a regular file, got a device" in refusal(Path("/dev/zero"))
    assert "found no file" in refusal(path)
    os.mkfifo(path)
    assert "expected a regular file, got a pipe" in refusal(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GOOD.encode() + b"# caf\xe9", "line 6 is not UTF-8 text"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (GOOD + "# \0", "line 6: expected text, got a NUL byte"),
        ("#" * 99 + "\n" * 2**20, "expected 0.2 MiB at most"),
        ("seed = " + "9" * 3900 + GOOD, "seed: expected a number <= 4294967295"),
        ("a = " + "[" * 3900, "experiment.toml: not "),
        ("a = " + "{a = " * 600 + "1" + "}" * 600, "experiment.toml"),
        (".".join("a" * 1500) + " = 1", "a: no such key"),
        (".".join("a" * 6000) + " = 1", "line 1: expected 4,000 characters at most"),
        ("dataset = 3", "dataset"),
        ("dataset = [3]", "dataset"),
        ('[dataset]\nkind = "npz"\npath = "a\\u0000b"\n' + GOOD.split("[dataset]")[0], "experiment.toml"),
    ],
)
def test_what_is_no_experiment_is_a_sentence(path: Path, content: str | bytes, sentence: str) -> None:
    assert sentence in refusal(path, content)


def test_a_byte_order_mark_is_no_mistake(path: Path) -> None:
    path.write_bytes("\ufeff".encode() + GOOD.encode())
    assert read_experiment(path).models[0].name == "planted-float"


@pytest.mark.parametrize("dataset", ["3", '"npz"', "[3]", "[[]]", "true"])
def test_another_place_for_data_that_is_no_table_is_a_sentence(path: Path, dataset: str) -> None:
    assert "dataset" in refusal(path, f'models = ["planted-float"]\ndataset = {dataset}', data=path.parent)


@pytest.mark.parametrize("name", ["a\\u0000b", "~nobody-of-this-name/x"])
@pytest.mark.parametrize("key", ["path", "weights"])
def test_a_path_that_cannot_be_is_a_sentence(path: Path, name: str, key: str) -> None:
    if key == "path":
        text = OWN.replace("mine.h5", name)
    else:
        text = f'[dataset]\nkind = "planted"\n[[model]]\nname = "quicknet"\nweights = "{name}"'
    assert f"[[model]] {key}: expected a path" in refusal(path, text)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\\\b", "a\\u0000", "a\\nb", "\\u001b[31m", "", " ", "x" * 101])
@pytest.mark.parametrize("table", ["model", "device"])
def test_names_that_files_are_named_after_lead_nowhere(path: Path, name: str, table: str) -> None:
    text = OWN.replace('"mine"', f'"{name}"') if table == "model" else f'{GOOD}[[device]]\nname = "{name}"'
    assert "expected 1 to 100 characters without" in refusal(path, text)


# ------------------------------------------------------------------------------------------------------------ numbers
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "[accuracy]\nimages = 1000000000000", "[accuracy] images: expected a number <= 100000"),
        (GOOD + "[conversion]\ncalibration_images = 10000000", "[conversion] calibration_images"),
        (GOOD + "[latency]\nmin_runs = 9999999999", "[latency] min_runs: expected a number <= 1000000"),
        (GOOD + "[latency]\nmin_seconds = inf", "[latency] min_seconds: expected a number <= 86400"),
        (GOOD + "[latency]\nmin_seconds = nan", "[latency] min_seconds"),
        (GOOD + "[latency]\nrounds = 1000000000", "[latency] rounds: expected a number <= 1000"),
        (GOOD + "[latency]\nthreads = [1, 1000000000]", "[latency] threads, item 2: expected a number <= 1024"),
        (GOOD + "[latency]\ncpus = [99999999999]", "[latency] cpus, item 1"),
        (GOOD + '[latency]\nsustained = "99999999h"', '"168h" at most'),
        (GOOD + f'[latency]\nsustained = "{"9" * 400}h"', '"168h" at most'),
        (GOOD + "[saliency]\nimages = 9999999999", "[saliency] images"),
        (GOOD + "[saliency]\nbatch = 9999999999", "[saliency] batch"),
        (GOOD + "[sanity]\nimages = 9999999999\n[saliency]", "[sanity] images"),
        (GOOD + "[amplification]\nnoise_levels = [nan]\n[saliency]", "[amplification] noise_levels, item 1"),
        (GOOD + "seed = 99999999999", "[dataset] seed: expected a number <= 4294967295"),
        (f"seed = 0x{'f' * 3900}" + GOOD, "seed: expected a number <= 4294967295, got a value of type int"),
        (OWN.replace("height = 32", "height = 1000000000"), "height: expected a number <= 8192"),
        (OWN.replace("classes = 10", "classes = 9999999999"), "classes: expected a number <= 100000"),
        (OWN + "mean = [nan, 0.0, 0.0]", "neither NaN nor infinite"),
        (OWN + "scale = [1.0, inf, 0.0]", "neither NaN nor infinite"),
    ],
)
def test_a_number_without_sense_is_refused_at_once(path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(path, text)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("samples", "1000000000000", "samples: expected an integer from 1 to 100000, got 1000000000000"),
        ("samples", f"0x{'f' * 3900}", "samples: expected an integer from 1 to 100000, got a value of type int"),
        ("samples", "5.0", "samples: expected an integer"),
        ("samples", "true", "samples: expected an integer"),
        ("noise_level", "nan", "noise_level: expected a number from 0 to 10"),
        ("noise_level", "inf", "noise_level: expected a number from 0 to 10"),
        ("noise_level", "1" + "0" * 400, "noise_level: expected a number from 0 to 10"),
        ("base", f'"{"x" * 3000}"', "base: expected one of"),
        ("samples", "[]", "expected values that combine in 1 to 1,000 ways, got 0"),
        (
            "samples",
            str(list(range(1, 1002))).replace(", ", ",\n"),
            "expected values that combine in 1 to 1,000 ways, got 1,001",
        ),
    ],
)
def test_a_parameter_without_sense_is_refused_at_once(path: Path, name: str, value: str, sentence: str) -> None:
    assert sentence in refusal(path, SMOOTH.format(name, value))


def test_lists_that_combine_without_end_are_counted_and_not_tried(path: Path) -> None:
    values = str(list(range(1, 1000))).replace(", ", ",\n")
    text = f"{GOOD}[saliency]\nmethods = [{{name = 'rise', masks = {values}, cells = {values}, keep = {values}}}]"
    assert "got 997,002,999" in refusal(path, text)


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_one_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    refusal(tmp_path_factory.mktemp("experiment") / "experiment.toml", content)
