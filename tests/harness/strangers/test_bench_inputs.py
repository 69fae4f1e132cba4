"""Strangers' flatbuffers under `bitlens bench`: what is timed is what was meant, or a sentence says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device import runtimes
from device.inputs import measurement_inputs
from harness.cli.bench_options import input_request
from harness.devices.client import predict
from harness.devices.device import make_device
from harness.errors import ConfigError
from tests.harness.strangers.timed_files import ROWS, asked, bench, record_of, write


# --------------------------------------------------------------------------------------------------------- open shapes
@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("open-size", '"image" float32 ?x?x?x3', "--input-shape image=1x224x224x3"),
        ("open-width", '"image" float32 1x6x?x3', "--input-shape image=1x6x224x3"),
        ("sound", '"wave" float32 ?', "--input-shape wave=16000"),
        (
            "two-open",
            '"ids" int64 ?x? and the shape of "mask" int32 ?x?',
            "--input-shape ids=1x128 --input-shape mask=1",
        ),
    ],
)
def test_a_file_that_leaves_more_than_its_batch_open_is_not_timed_at_1(name: str, said: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        asked(name)
    assert str(refused.value).startswith(f"{name}.tflite: it leaves the shape of {said} open")
    assert hint in str(refused.value)


def test_an_open_shape_alone_is_a_bad_request_and_no_process_is_started(tmp_path: Path) -> None:
    code, text = bench(*write(tmp_path, "open-size"))
    assert code == 2
    assert "--input-shape image=" in text


def test_a_batch_of_one_is_assumed_and_said_where_nothing_else_is_open() -> None:
    assert asked("open-batch").record["shapes"] == {"image": [1, 6, 6, 3]}
    assert asked("open-batch").said == ["image float32 1x6x6x3, a batch of 1 assumed, random"]
    assert "assumed" not in asked("open-batch", shapes={"": (1, 6, 6, 3)}).said[0]
    assert asked("two-batches").record["shapes"] == {"ids": [1, 5], "mask": [1, 5]}


def test_no_batch_is_assumed_beside_another_one_that_was_asked_for() -> None:
    with pytest.raises(ConfigError, match=r'the shape of "mask" int32 \?x5 open'):
        asked("two-batches", shapes={"ids": (4, 5)})
    assert asked("two-batches", shapes={"ids": (1, 5)}).record["shapes"]["mask"] == [1, 5]


@pytest.mark.parametrize("shape", [(1, 6, 6, 4), (1, 6, 6), (1, 7, 6, 3), (6,)])
def test_a_shape_that_contradicts_the_file_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r'input "image" float32 \?x6x6x3: no shape of it is '):
        asked("open-batch", shapes={"image": shape})


def test_what_was_asked_for_is_what_the_device_says_it_ran(tmp_path: Path) -> None:
    [path] = write(tmp_path, "open-size")
    record = record_of(path, "--input-shape", "1x9x7x3")
    assert [tensor["shape"] for tensor in record["inputs"]] == [[1, 9, 7, 3]]
    assert [tensor["shape"] for tensor in record["outputs"]] == [[1, 9, 7, 2]]


def test_an_image_gives_an_open_input_its_size(tmp_path: Path) -> None:
    """As in a run, where the record of the preprocessing says how large images are."""
    [path] = write(tmp_path, "open-size")
    record = {"height": 5, "width": 4, "channel_order": "rgb", "mean": [0.0] * 3, "scale": [1.0] * 3}
    images = np.ones((2, 5, 4, 3), np.uint8)
    scores = predict(make_device({"name": "this-host"}), Path(path), images, preprocessing=record).scores
    assert scores.shape == (2, 5 * 4 * 2)
    assert scores.max() == 27  # three by three pixels of three channels


def test_a_profile_is_of_the_shape_that_was_asked_for(tmp_path: Path) -> None:
    [path] = write(tmp_path, "open-size")
    code, text = bench(path, "--input-shape", "1x9x7x3", "--profile")
    assert code == 0
    assert "CONV_2D" in text


# ---------------------------------------------------------------------------------------------------------- signatures
def test_of_several_signatures_one_has_to_be_named(tmp_path: Path) -> None:
    code, text = bench(*write(tmp_path, "signatures"))
    assert code == 2
    assert 'it has 2 signatures, and one is timed: "decode", "encode"' in text
    with pytest.raises(
        ConfigError, match=r'no signature "encod"; it has "decode", "encode"\n  try: --signature "encode"'
    ):
        asked("signatures", "encod")
    with pytest.raises(ConfigError, match="it has no signature"):
        asked("fixed", "serve")


@pytest.mark.parametrize("runtime", ["ai-edge-litert", "tflite-runtime"])
@pytest.mark.parametrize(
    ("signature", "given", "output"),
    [
        ("encode", [[1, 2, 3, 4, 10, 20, 30, 40]], [[11, 22, 33, 44]]),
        ("decode", [[1, 2, 3, 4]], [[1, 2, 3, 4, 2, 4, 6, 8]]),
    ],
)
def test_the_graph_of_the_signature_is_what_runs(
    signature: str, given: Any, output: Any, runtime: str, tmp_path: Path
) -> None:
    if runtime not in [row["name"] for row in runtimes.installed() if row["usable"]]:
        pytest.skip(f"needs {runtime}")
    array = np.array(given, np.float32)
    name = "x" if signature == "encode" else "code"
    record = asked("signatures", signature, arrays={name: array}).record
    engine = runtimes.load(write(tmp_path, "signatures")[0], runtime=runtime, inputs=record)
    engine.set_inputs(measurement_inputs(engine.inputs, record, count=1, seed=0)[0])
    engine.invoke()
    assert np.array_equal(engine.get_outputs()[0], output)


@pytest.mark.parametrize(
    "options", [["--profile"], ["--accelerator", "cpu"], ["--weight-cache"], ["--runtime", "larq-compute-engine"]]
)
def test_what_takes_the_main_graph_alone_is_a_bad_request_beside_another_signature(
    options: list[str], tmp_path: Path
) -> None:
    [path] = write(tmp_path, "signatures")
    other = "decode" if asked("signatures", "decode").record["signature"] else "encode"
    code, text = bench(path, "--signature", other, *options)
    assert code == 2
    assert f"{' '.join(options[:1])}" in text
    assert f'takes the main graph of a file alone, and --signature "{other}" has another one' in text


def test_a_signature_is_timed_at_a_batch_that_was_asked_for(tmp_path: Path) -> None:
    [path] = write(tmp_path, "signatures")
    record = record_of(path, "--signature", "decode", "--input-shape", "code=3x4")
    assert [(tensor["shape"]) for tensor in record["outputs"]] == [[3, 8]]


# -------------------------------------------------------------------------------------------------------------- values
def test_indices_stay_below_the_rows_of_the_table_that_they_are_looked_up_in() -> None:
    chosen = asked("embedding")
    assert chosen.record["ranges"] == {"ids": [0, ROWS]}
    assert chosen.said == ["ids int32 1x5, random 0 to 999, its table", "mask int32 1x5, random 0 and 1"]
    assert asked("two-tables").record["ranges"] == {"ids": [0, 7]}  # the smaller of two, behind a cast


@pytest.mark.parametrize("name", ["embedding", "two-tables"])
def test_embeddings_are_timed_without_a_word(name: str, tmp_path: Path) -> None:
    code, text = bench(*write(tmp_path, name))
    assert code == 0, text
    assert "its table" in text


def test_a_range_that_leaves_the_table_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    code, text = bench(*write(tmp_path, "embedding"), "--input-range", f"ids={ROWS}:{ROWS + 9}", "--rounds", "3")
    assert code == 1
    [line] = text.splitlines()
    assert "failed: " in line
    assert "gather index out of bounds" in line.lower()


@pytest.mark.parametrize(
    ("name", "pair", "sentence"),
    [
        ("embedding", (0.5, 9), "expected whole numbers"),
        ("embedding", (0, 2**40), "does not fit int32"),
        ("text", (0, 9), "takes texts"),
    ],
)
def test_a_range_that_the_type_does_not_have_is_refused(name: str, pair: tuple[float, float], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        asked(name, ranges={"text" if name == "text" else "ids": pair})


@pytest.mark.parametrize("array", [np.zeros((1, 5), np.int64), np.zeros((1, 5), np.uint8)])
def test_integers_of_another_width_are_taken_where_they_fit(array: Any) -> None:
    assert asked("embedding", arrays={"ids": array}).record["arrays"]["ids"]["dtype"] == "<i4"


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((1, 5)), "expected an array of int32, got float64"),
        (np.full((1, 5), 2**40), "expected an array of int32, got int64 of 1099511627776 to 1099511627776"),
        (np.zeros((1, 6), np.int32), "no shape of it is 1x6"),
        (np.zeros((), np.int32), "no shape of it is scalar"),
        (np.array([["a"] * 5]), "expected an array of int32, got <U1"),
    ],
)
def test_an_array_of_another_type_or_shape_is_refused(array: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f'input "ids" int32 1x5: {sentence}'):
        asked("embedding", arrays={"ids": array})


def test_arrays_of_a_file_give_open_shapes_their_sizes(tmp_path: Path) -> None:
    [path] = write(tmp_path, "two-open")
    np.savez(tmp_path / "x.npz", ids=[[1, 2, 3]], mask=[[1, 1, 0]])
    assert [t["shape"] for t in record_of(path, "--input", str(tmp_path / "x.npz"))["inputs"]] == [[1, 3], [1, 3]]
    code, text = bench(path, "--input", str(tmp_path / "x.npz"), "--input-shape", "ids=1x4")
    assert (code, "asked for 1x4, and its array is 1x3" in text) == (2, True)


def test_texts_come_from_a_file_or_are_asked_for(tmp_path: Path) -> None:
    [path] = write(tmp_path, "text")
    assert bench(path) == (
        2,
        f'{path}: input "text" takes texts, which cannot be drawn at random\n  try: --input x.npz with an array text',
    )
    np.savez(tmp_path / "x.npz", text=["a"])
    assert record_of(path, "--input", str(tmp_path / "x.npz"))["samples_ns"]


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_file_of_arrays_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ConfigError, match="--input"):
        input_request(None, (), (), tmp_path / "x.npz")
    with pytest.raises(ConfigError, match="--input: found no file"):
        input_request(None, (), (), tmp_path / "nothing.npz")


def test_a_name_that_no_input_has_is_refused_with_those_that_there_are() -> None:
    for request in ({"shapes": {"id": (1, 5)}}, {"ranges": {"id": (0, 1)}}, {"arrays": {"id": np.zeros(1)}}):
        with pytest.raises(
            ConfigError, match=r'it has no input "id"; it has "ids" int32 1x5; "mask" int32 1x5\n  try: "ids"'
        ):
            asked("embedding", **request)


def test_of_several_inputs_an_option_has_to_name_one() -> None:
    for request, option in (({"ranges": {"": (0, 9)}}, "--input-range"), ({"shapes": {"": (1, 5)}}, "--input-shape")):
        with pytest.raises(ConfigError, match="expected the name of one of its 2 inputs, got none") as refused:
            asked("embedding", **request)
        assert str(refused.value).endswith(f"try: {option} ids=…")


@pytest.mark.parametrize(
    ("shapes", "ranges"),
    [
        (["ids=1x"], []),
        (["0x3"], []),
        (["1*3"], []),
        (["99999x99999x9"], []),
        (["a=1", "a=2"], []),
        ([], ["9:0"]),
        ([], ["ids=3"]),
        ([], ["0:inf"]),
        ([], ["a:b"]),
    ],
)
def test_shapes_and_ranges_that_are_none_are_refused(shapes: list[str], ranges: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"--input-(shape|range): (expected|two values)"):
        input_request(None, shapes, ranges, None)


def test_names_of_tensors_may_hold_what_separates_shapes_and_ranges() -> None:
    request = input_request(None, ["serving_default_x:0=1x2"], ["a=b=-3:7"], None)
    assert request.shapes == {"serving_default_x:0": (1, 2)}
    assert request.ranges == {"a=b": (-3, 7)}
