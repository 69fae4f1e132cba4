"""The jobs that a run gives to a device. Each takes one fresh agent process, from `hello` to `bye`.

What is tried again after a failure is decided in retry.py, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.latency import complete_protocol
from device.perturbation import pack
from harness.devices.delegation import delegation
from harness.devices.device import Device, counts_instructions, is_emulated
from harness.devices.in_flight import Request, answers, distinct, pieces, scores_of
from harness.devices.job import HELLO_SECONDS, Job, Record, our_lock
from harness.devices.retry import connected, try_whole_job_again
from harness.devices.runtime_choice import AUTO, Runtime, as_choice
from harness.devices.surroundings import Lookout
from harness.devices.transport.session import Progress
from harness.devices.untimed import NO_TIME, without_time
from harness.devices.validity import judge

PREDICT_SECONDS = 3600.0
MEASURE_MARGIN_SECONDS = 300.0  # a single inference of the largest model on a slow board, and the telemetry
LOCK_WAIT_SECONDS = 600.0
COUNTED_RUNS = {"few": 2, "many": 7}  # their difference is five inferences without what surrounds them


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
    return try_whole_job_again(lambda: _hello(device))


def predict(
    device: Device,
    artifact_path: Path,
    images_uint8: NDArray[np.uint8],
    *,
    preprocessing: Record,
    runtime: Runtime = AUTO,
    num_threads: int = 1,
    on_progress: Progress | None = None,
) -> PredictResult:
    """Scores of the artifact on the device for (N, H, W, C) uint8 images at the model's input size.

    Raises DeviceError; harness.devices.transport.faults has its kinds. A cut connection is tried again.
    """
    job = Job(
        device=device,
        artifact=artifact_path,
        runtime=runtime,
        num_threads=num_threads,
        preprocessing=preprocessing,
        on_progress=on_progress,
    )
    return try_whole_job_again(lambda: _predict(job, images_uint8))


def perturb(
    device: Device,
    artifact_path: Path,
    *,
    start: NDArray[np.uint8],
    end: NDArray[np.uint8],
    ranks: NDArray[Any],
    steps: Sequence[int],
    preprocessing: Record,
    runtime: Runtime = AUTO,
    num_threads: int = 1,
    on_progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Scores (N, len(steps), classes) while pixels go over from `start` to `end` in the order of `ranks`.

    The images in between are made on the device: device.perturbation.perturbed is the definition, for the host too.

    start, end  (N, H, W, C) uint8; `end` may be (1, 1, 1, C), one colour for all.   ranks  (N, H, W), 0 goes first.
    steps       how many pixels have gone over at each point of the curve.
    """
    job = Job(
        device=device,
        artifact=artifact_path,
        runtime=runtime,
        num_threads=num_threads,
        preprocessing=preprocessing,
        on_progress=on_progress,
    )
    return try_whole_job_again(lambda: _perturb(job, start, end, ranks, steps))


def measure(
    device: Device,
    artifact_path: Path,
    *,
    preprocessing: Record | None,
    num_threads: int = 1,
    protocol: Record | None = None,
    runtime: Runtime = AUTO,
    inputs: dict[str, Any] | None = None,
    on_progress: Progress | None = None,
    lock_wait_s: float = LOCK_WAIT_SECONDS,
) -> dict[str, Any]:
    """One round of the latency protocol (device.latency.DEFAULT_PROTOCOL) in one fresh process; plain JSON values.

    An emulated device gives no time: one that counts instructions counts them instead, another one does all the same
    and leaves its times blank.

    preprocessing  None for a flatbuffer of which nothing is known: its inputs are then random values.
    inputs         what is said of those (harness.devices.measured_inputs).
    lock_wait_s    how long to wait for another process that is measuring on the same machine.
    Raises DeviceError. What began to be measured is never tried again silently.
    """
    complete = complete_protocol(dict(protocol or {}))
    job = Job(
        device=device,
        artifact=artifact_path,
        runtime=runtime,
        num_threads=num_threads,
        preprocessing=preprocessing,
        inputs=inputs,
        on_progress=on_progress,
    )
    record = _count(job, complete) if counts_instructions(device) else _measure(job, complete, lock_wait_s)
    if is_emulated(device):
        record = without_time(record)
    record = {
        **NO_TIME,
        **record,
        **delegation(record, artifact_path, record.pop("taken", None), as_choice(runtime)),
        "num_threads": num_threads,
        "protocol": complete,
        "emulated": is_emulated(device),
    }
    return {**record, **judge(record).as_fields()}


def energy(
    device: Device,
    artifact_path: Path,
    *,
    preprocessing: Record | None,
    num_threads: int = 1,
    runtime: Runtime = AUTO,
    inputs: dict[str, Any] | None = None,
    idle_s: float = 3.0,
    busy_s: float = 10.0,
) -> dict[str, Any] | None:
    """An estimate of one inference's energy, idle power subtracted; None without a sensor. Raises DeviceError."""
    job = Job(
        device=device,
        artifact=artifact_path,
        runtime=runtime,
        num_threads=num_threads,
        preprocessing=preprocessing,
        inputs=inputs,
    )
    with job.loaded(lock=our_lock(LOCK_WAIT_SECONDS)) as (session, _):
        answer = session.request("energy", deadline_s=PREDICT_SECONDS, idle_s=idle_s, busy_s=busy_s, seed=0)
    estimate: dict[str, Any] | None = answer["energy"]
    return estimate


def _hello(device: Device) -> dict[str, Any]:
    with connected(device) as session:
        return session.request("hello", deadline_s=HELLO_SECONDS)


def _predict(job: Job, images: NDArray[np.uint8]) -> PredictResult:
    def request(piece: slice) -> Request:
        return Request(
            arguments=lambda packed: {"images": packed(images[piece])},
            on_progress=_shifted(job.on_progress, piece.start, len(images)),
        )

    parts = map(request, pieces(len(images), images[:1].nbytes))
    with job.loaded() as (session, loaded):
        scores = [scores_of(answer) for answer in answers(session, "predict", parts, deadline_s=PREDICT_SECONDS)]
    who = {key: loaded[key] for key in ("runtime", "runtime_version", "delegate", "kernels")}
    return PredictResult(scores=np.concatenate(scores), **who)


def _perturb(
    job: Job, start: NDArray[np.uint8], end: NDArray[np.uint8], ranks: NDArray[Any], steps: Sequence[int]
) -> NDArray[np.float32]:
    """Rows of one map travel together, whichever way they go, so that nothing of them crosses the wire twice."""
    end = np.broadcast_to(end, start.shape)
    places = ranks.astype(np.min_scalar_type(ranks.max(initial=0)))
    kept, which = distinct(places)
    order = np.argsort(which, kind="stable")
    map_of = np.asarray(which)[order]

    def request(piece: slice) -> Request:
        first, last = np.searchsorted(map_of, [piece.start, piece.stop])
        rows = order[first:last]
        images, of_row = distinct([*start[rows], *end[rows]])
        maps, map_of_row = distinct(places[rows])
        count = len(rows)
        return Request(
            arguments=lambda packed: {
                "images": packed(images),
                "ranks": pack(maps),
                "rows": [list(row) for row in zip(of_row[:count], of_row[count:], map_of_row)],
                "steps": [int(step) for step in steps],
            },
            on_progress=_shifted(job.on_progress, int(first), len(start)),
        )

    rows_of_a_map = -(-len(start) // max(1, len(kept)))
    parts = map(request, pieces(len(kept), rows_of_a_map * (2 * start[:1].nbytes + places[:1].nbytes)))
    with job.loaded() as (session, _):
        found = [scores_of(answer) for answer in answers(session, "perturb", parts, deadline_s=PREDICT_SECONDS)]
    scores = np.concatenate(found)
    return scores[np.argsort(order)]


def _measure(job: Job, protocol: dict[str, Any], lock_wait_s: float) -> dict[str, Any]:
    deadline_s = protocol["max_seconds"] + protocol["warmup_max_seconds"] + MEASURE_MARGIN_SECONDS
    cooling = {"below_c": protocol["cool_below_c"], "max_seconds": protocol["cool_max_seconds"]}
    around, lock = Lookout(job.device, job.on_progress), our_lock(lock_wait_s)
    how: dict[str, Any] = {"cpus": protocol["cpus"], "lock": lock, "cool_down": cooling, "before_load": around.look}
    with job.loaded(**how) as (session, loaded):
        measured = session.request("measure", deadline_s=deadline_s, on_progress=job.on_progress, protocol=protocol)
    return {**loaded, **measured, "circumstances": around.corrected(measured["circumstances"])}


def _count(job: Job, protocol: dict[str, Any]) -> dict[str, Any]:
    with job.loaded() as (session, loaded):
        counted = session.request(
            "count", deadline_s=PREDICT_SECONDS, on_progress=job.on_progress, seed=protocol["seed"], **COUNTED_RUNS
        )
    return {**loaded, **counted}


def _shifted(on_progress: Progress | None, start: int, total: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda report: on_progress({**report, "done": start + report["done"], "of": total})
