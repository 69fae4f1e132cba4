"""Several files of strangers under `bitlens bench`: whatever is wrong with one costs one line, and the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import runtimes
from harness.devices.bench_files import prepare
from harness.devices.measured_inputs import InputRequest
from harness.errors import ConfigError
from harness.execution.latency_artifacts import check_formats
from tests.harness.strangers.timed_files import bench, flatbuffer, write


def test_a_failed_file_costs_one_line_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"hello, this is no flatbuffer")
    (tmp_path / "cut.tflite").write_bytes(flatbuffer("fixed")[:200])
    (tmp_path / "empty.lite").touch()
    broken = [str(tmp_path / name) for name in ("broken.tflite", "cut.tflite", "empty.lite")]
    good = write(tmp_path, "fixed", "detector")
    code, text = bench(broken[0], good[0], *broken[1:], *write(tmp_path, "unknown-operator"), good[1])
    assert code == 1
    failed = [line for line in text.splitlines() if ": failed: " in line]
    assert len(failed) == 4
    assert all("Traceback" not in line for line in failed)
    for path in good:
        assert f"{path}, 1 thread\n" in text
    table = text.split("\n\n")[-1].splitlines()
    assert table[0].split() == ["threads", "p50", "ratio", "validity"]
    assert [row.split()[0] for row in table[1:]] == [
        broken[0],
        good[0],
        *broken[1:],
        str(tmp_path / "unknown-operator.tflite"),
        good[1],
    ]


def test_a_broken_file_alone_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"hello, this is no flatbuffer")
    code, text = bench(str(tmp_path / "x.tflite"))
    reason = "it is not a valid TFLite flatbuffer: expected the mark TFL3 at byte 4, got b'o, t'"
    assert (code, text) == (1, f"{tmp_path}/x.tflite: failed: {reason}\n")


def test_a_file_that_is_not_there_stops_the_bench_before_it_begins(tmp_path: Path) -> None:
    code, text = bench(*write(tmp_path, "fixed"), str(tmp_path / "y.tflite"))
    assert (code, text) == (2, f'found no file "{tmp_path}/y.tflite"')


def test_nothing_is_converted_to_a_flatbuffer_as_it_is() -> None:
    with pytest.raises(ConfigError, match='there is no format "tflite"\n  try: one of fp32') as refused:
        check_formats(["tflite"])
    assert str(refused.value).count("tflite") == 1


def test_an_option_for_one_file_leaves_the_others_alone(tmp_path: Path) -> None:
    files = dict(zip(("a", "b", "c"), map(Path, write(tmp_path, "open-size", "embedding", "sound"))))
    prepared = prepare(files, InputRequest(shapes={"image": (1, 8, 8, 3)}, ranges={"ids": (0, 3)}))
    assert prepared.inputs["a"].record["shapes"] == {"image": [1, 8, 8, 3]}
    assert prepared.inputs["b"].record["ranges"] == {"ids": [0, 3]}
    assert list(prepared.failures) == ["c"]
    both = prepare(files, InputRequest(shapes={"images": (1, 8, 8, 3)}))
    assert all('no input "images"' in str(failure) for failure in both.failures.values())


def test_an_interpreter_that_runs_one_shape_alone_says_so(tmp_path: Path) -> None:
    if "larq-compute-engine" not in [row["name"] for row in runtimes.installed()]:
        pytest.skip("needs larq-compute-engine")
    [path] = write(tmp_path, "open-size")
    code, text = bench(path, "--input-shape", "1x9x7x3", "--runtime", "larq-compute-engine")
    assert code == 1
    assert 'runs input "image" as (1, 1, 1, 3) alone, not as [1, 9, 7, 3]' in text
