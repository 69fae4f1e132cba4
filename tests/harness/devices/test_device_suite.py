"""What every device must do, whatever its kind: the same tests over this host, ssh and the emulated boards."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import numpy as np
import pytest

from device.perturbation import pack
from device.preprocessing import preprocess
from harness.devices import validity
from harness.devices.client import hello, measure, predict
from harness.devices.device import Device, counts_instructions, is_emulated, make_device
from harness.devices.kept_artifact import KeptArtifact
from harness.devices.transport.faults import AgentError
from harness.native import build
from tests.harness.devices.devices_under_test import (
    ARTIFACTS,
    FLOAT,
    QUICK,
    RECORD,
    SshServer,
    emulated_device,
    ssh_device,
)

THIS_HOST = {"name": "this-host", "kind": "local"}


def oracle(name: str) -> tuple[np.ndarray, np.ndarray]:
    stored = np.load(ARTIFACTS / f"{name}.npz")
    return stored["images"], stored["scores"]


def architecture(device: Device) -> str:
    return "aarch64" if is_emulated(device) else platform.machine()


def why_not_built(device: Device) -> str:
    """Why our operators cannot be built here for the device; empty where they can."""
    try:
        build.library(architecture(device))
    except build.NoCompiler as problem:
        return str(problem)
    return ""


def test_hello_describes_machine_and_runtimes(device: Device) -> None:
    answer = hello(device)
    assert answer["machine"]["bits"] == 64
    assert answer["machine"]["architecture"] == architecture(device)
    assert any(runtime["usable"] for runtime in answer["runtimes"])


def test_scores_of_the_float_artifact_are_those_of_keras(device: Device) -> None:
    images, scores = oracle("float")
    result = predict(device, ARTIFACTS / "float.tflite", images, preprocessing=RECORD)
    np.testing.assert_allclose(result.scores, scores, atol=1e-5)
    assert result.runtime_version[0].isdigit()


def test_scores_of_the_int8_artifact_follow_keras_within_quantization(device: Device) -> None:
    images, scores = oracle("int8")
    result = predict(device, ARTIFACTS / "int8.tflite", images, preprocessing=RECORD)
    np.testing.assert_allclose(result.scores, scores, atol=8 / 256)  # a few steps of the output's 1/256


def test_an_artifact_that_is_kept_answers_prepared_images_as_it_answers_pixels(device: Device) -> None:
    images, _ = oracle("int8")
    kept = KeptArtifact(device, ARTIFACTS / "int8.tflite", preprocessing=RECORD)
    expected = kept.outputs(images)
    np.testing.assert_array_equal(kept.outputs(preprocess(images, RECORD)), expected)
    kept.close()


# On images of noise, the hardest case: float kernels of two processors add up in different orders, int8 ones do not.
TOLERANCE = {"float": 1e-5, "int8": 1 / 256, "lce": 1e-5}


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLERANCE)
def test_all_devices_predict_the_same(name: str, ssh_server: SshServer) -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    host, *others = (make_device(THIS_HOST), ssh_device(ssh_server), emulated_device())
    reasons = [why_not_built(other) for other in others] if name == "lce" else []
    if any(reasons):
        pytest.skip(max(reasons))
    expected = predict(host, ARTIFACTS / f"{name}.tflite", images, preprocessing=RECORD).scores
    for other in others:
        scores = predict(other, ARTIFACTS / f"{name}.tflite", images, preprocessing=RECORD).scores
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE[name], rtol=0)
        near_ties = np.diff(np.sort(expected)[:, -2:]).ravel() <= 2 * TOLERANCE[name]
        assert (scores.argmax(1) == expected.argmax(1))[~near_ties].all()


def test_measuring_gives_samples_or_instructions_and_their_validity(device: Device) -> None:
    record = measure(device, ARTIFACTS / "float.tflite", preprocessing=RECORD, protocol=QUICK)
    assert record["verdict"] in validity.LEVELS
    if is_emulated(device):
        assert record["verdict"] == "invalid"
        assert record["samples_ns"] == record["warmup_ns"] == record["circumstances"]["during"] == []
        assert [record[name] for name in ("load_ns", "import_ns", "first_run_ns", "steady")] == [None] * 4
        assert counts_instructions(device) == bool(record["instructions"])
        assert counts_instructions(device) or record["peak_rss_bytes"] > 10e6
    else:
        assert len(record["samples_ns"]) >= 30
        assert all(isinstance(sample, int) and sample > 0 for sample in record["samples_ns"])
        assert record["instructions"] is None
        assert record["peak_rss_bytes"] > 10e6
    assert record["machine"]["cpus"] >= 1
    assert record["circumstances"]["before"]["monotonic_ns"] < record["circumstances"]["after"]["monotonic_ns"]


def test_an_agents_error_brings_its_traceback_and_the_next_job_runs(device: Device, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.tflite"
    hostile.write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 100)
    with pytest.raises(AgentError, match="not a valid TFLite flatbuffer") as caught:
        predict(device, hostile, oracle("float")[0], preprocessing=RECORD)
    assert "flatbuffer.py" in caught.value.remote_traceback
    assert hello(device)["protocol"] == 1


def test_an_artifact_is_measured_on_arrays_that_were_sent(device: Device) -> None:
    image = np.zeros((1, 8, 8, 3), np.float32)
    inputs = {"signature": None, "names": ["it"], "shapes": {}, "ranges": {}, "arrays": {"it": pack(image)}}
    record = measure(device, FLOAT, preprocessing=None, protocol=QUICK, inputs=inputs)
    assert [tensor["name"] for tensor in record["inputs"]] == ["it"]
    with pytest.raises(AgentError, match="ValueError"):
        measure(device, FLOAT, preprocessing=None, inputs={**inputs, "arrays": {"it": pack(image[:, :4])}})


def test_an_artifact_is_sent_once(device: Device, tmp_path: Path) -> None:
    content = (ARTIFACTS / "float.tflite").read_bytes()
    artifact = tmp_path / "new.tflite"
    artifact.write_bytes(content + bytes(16) + hashlib.sha256(str(tmp_path).encode()).digest())
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest()
    reports: list[dict] = []
    with device.open() as session:
        session.put(sha256, artifact, deadline_s=60, on_progress=reports.append)
        assert [report["stage"] for report in reports] == ["put"]
        session.put(sha256, artifact, deadline_s=60, on_progress=reports.append)
        assert len(reports) == 1


def test_stat_reads_sensors_and_disk(device: Device) -> None:
    with device.open() as session:
        now = session.request("stat", deadline_s=60)
    assert now["free_disk_bytes"] > 0
    assert now["load_average"] is None or now["load_average"] >= 0


def test_a_binarized_artifact_runs_everywhere(device: Device) -> None:
    """By a stock runtime and our operators, which are sent; by LCE's interpreter where nothing can build them."""
    runtimes = {runtime["name"] for runtime in hello(device)["runtimes"] if runtime["usable"]}
    if why_not_built(device) and "larq-compute-engine" not in runtimes:
        pytest.skip(why_not_built(device))
    images, scores = oracle("lce")
    result = predict(device, ARTIFACTS / "lce.tflite", images, preprocessing=RECORD)
    np.testing.assert_allclose(result.scores, scores, atol=1e-4)
    stock = next(name for name in ("ai-edge-litert", "tflite-runtime") if name in runtimes)
    assert result.runtime == ("larq-compute-engine" if why_not_built(device) else f"{stock}+lce-ops")


@pytest.mark.parametrize("runtime", ["tflite-runtime+lce-ops", "ai-edge-litert+lce-ops"])
def test_our_operators_can_be_forced(device: Device, runtime: str) -> None:
    if why_not_built(device):
        pytest.skip(why_not_built(device))
    if runtime.partition("+")[0] not in [each["name"] for each in hello(device)["runtimes"] if each["usable"]]:
        pytest.skip(f"a board with this Python has no {runtime.partition('+')[0]}")
    images, scores = oracle("lce")
    result = predict(device, ARTIFACTS / "lce.tflite", images, preprocessing=RECORD, runtime=runtime)
    np.testing.assert_allclose(result.scores, scores, atol=1e-4)
    assert (result.runtime, result.kernels) == (runtime, "optimized")
    assert "lce-ops" in result.delegate
