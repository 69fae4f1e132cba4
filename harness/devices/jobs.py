"""The jobs that a run gives to a device. Each takes one fresh agent process, from `hello` to `bye`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.latency import complete_protocol
from harness.devices.base import Device
from harness.devices.session import Progress, Session
from harness.devices.verdict import judge

Record = Mapping[str, Any]
HELLO_SECONDS = 60.0
PUT_SECONDS = 1800.0
LOAD_SECONDS = 300.0
PREDICT_SECONDS = 3600.0
MEASURE_MARGIN_SECONDS = 300.0  # a single inference of the largest network on a slow board, and the telemetry
IMAGE_BYTES = 16 << 20  # of images in one request, so that a board with little memory can hold them


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictResult:
    """`scores` (N, classes) float32 as the artifact gives them, and which runtime gave them."""

    scores: NDArray[np.float32]
    runtime: str
    runtime_version: str
    delegate: str
    kernels: str


def hello(device: Device) -> dict[str, Any]:
    """{"protocol", "machine": {...}, "runtimes": [{"name", "version", "usable", "reason"}]}"""
    with _open(device) as session:
        return session.request("hello", deadline_s=HELLO_SECONDS)


def predict(
    device: Device,
    artifact_path: Path,
    images_uint8: NDArray[np.uint8],
    *,
    preprocessing: Record,
    runtime: str = "auto",
    num_threads: int = 1,
    on_progress: Progress | None = None,
) -> PredictResult:
    """Scores of the artifact on the device for (N, H, W, C) uint8 images at the network's input size.

    Raises DeviceError (harness.devices.faults tells the kinds apart).
    """
    with _loaded(device, artifact_path, runtime, num_threads, preprocessing, None, on_progress) as (session, loaded):
        pieces = []
        for start, images in _batches(images_uint8):
            answer = session.request(
                "predict",
                deadline_s=PREDICT_SECONDS,
                on_progress=_shifted(on_progress, start, len(images_uint8)),
                images=images.tobytes(),
                shape=list(images.shape),
            )
            pieces.append(np.frombuffer(answer["scores"], np.float32).reshape(answer["shape"]))
    return PredictResult(
        scores=np.concatenate(pieces),
        **{key: loaded[key] for key in ("runtime", "runtime_version", "delegate", "kernels")},
    )


def measure(
    device: Device,
    artifact_path: Path,
    *,
    preprocessing: Record | None,
    num_threads: int = 1,
    protocol: Record | None = None,
    runtime: str = "auto",
    on_progress: Progress | None = None,
) -> dict[str, Any]:
    """One round of the latency protocol (device.latency.DEFAULT_PROTOCOL) in one fresh process; plain JSON values.

    preprocessing  None for a flatbuffer of which nothing is known: its inputs are then random values.
    Raises DeviceError. What began to be measured is never tried again silently.
    """
    complete = complete_protocol(dict(protocol or {}))
    deadline_s = complete["max_seconds"] + complete["warmup_max_seconds"] + MEASURE_MARGIN_SECONDS
    with _loaded(device, artifact_path, runtime, num_threads, preprocessing, complete["cpus"], on_progress) as (
        session,
        loaded,
    ):
        measured = session.request("measure", deadline_s=deadline_s, on_progress=on_progress, protocol=complete)
    record = {
        **loaded,
        **measured,
        "num_threads": num_threads,
        "emulated": device.kind == "emulated",
        "instructions": None,
    }
    verdict = judge(record)
    return {**record, "verdict": verdict.verdict, "verdict_reason": verdict.reason}


@contextmanager
def _open(device: Device) -> Iterator[Session]:
    with device.open() as session:
        yield session


@contextmanager
def _loaded(
    device: Device,
    artifact: Path,
    runtime: str,
    num_threads: int,
    preprocessing: Record | None,
    cpus: list[int] | None,
    on_progress: Progress | None,
) -> Iterator[tuple[Session, dict[str, Any]]]:
    """connect -> put -> load"""
    sha256 = hashlib.sha256(artifact.read_bytes()).hexdigest()
    with _open(device) as session:
        session.put(sha256, artifact, deadline_s=PUT_SECONDS, on_progress=on_progress)
        loaded = session.request(
            "load",
            deadline_s=LOAD_SECONDS,
            sha256=sha256,
            runtime=runtime,
            num_threads=num_threads,
            preprocessing=_plain(preprocessing),
            cpus=cpus,
        )
        yield session, loaded


def _plain(record: Record | None) -> dict[str, Any] | None:
    """Only builtin types cross the wire."""
    if record is None:
        return None
    plain = {key: record[key] for key in ("height", "width", "channel_order")}
    return {**plain, "mean": [float(m) for m in record["mean"]], "scale": [float(s) for s in record["scale"]]}


def _batches(images: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """(first index, images) in pieces of bounded size; one empty piece when there are no images."""
    size = max(1, IMAGE_BYTES // max(1, images[:1].nbytes))
    for start in range(0, max(1, len(images)), size):
        yield start, images[start : start + size]


def _shifted(on_progress: Progress | None, start: int, total: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda report: on_progress({**report, "done": start + report["done"], "of": total})
