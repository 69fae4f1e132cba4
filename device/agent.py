"""The agent: answers the host's requests, one at a time, until it says bye or hangs up.

    {"id", "verb", "deadline_s", "arguments"}  ->  {"id", "progress"} ..., then {"id", "result"} or {"id", "error"}

An error carries its class, message and traceback. The deadline is enforced here too: a watchdog that needs no Python
writes every thread's stack to stderr and ends the process, even from within a hanging native call. One process serves
one job; there is nothing to clean up after it.
"""

from __future__ import annotations

import faulthandler
import hashlib
import itertools
import math
import os
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import energy, instructions, latency, locking, perturbation, profile, runtimes, telemetry
from .preprocessing import preprocess

PROTOCOL = 1
DEADLINE_GRACE_S = 2.0  # the host's own deadline passes first, so that its message is the one that is read
PROGRESS_SECONDS = 0.5
ENERGY_SECONDS = {"idle_s": 3.0, "busy_s": 10.0}
KEPT_BYTES = 2 << 30  # of artifacts on the device: four of the largest
STALE_UPLOAD_SECONDS = 24 * 3600
Progress = Callable[[dict[str, Any]], None]


def serve(channel: Any, cache: str) -> None:
    """Answer requests from `channel` (send, receive) until bye, or until the other side is gone."""
    faulthandler.enable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    agent = Agent(cache)
    for request in iter(channel.receive, None):
        channel.send({"id": request["id"], **_answer(agent, request, channel)})
        if request["verb"] == "bye":
            return


def _answer(agent: Agent, request: dict[str, Any], channel: Any) -> dict[str, Any]:
    def progress(report: dict[str, Any]) -> None:
        channel.send({"id": request["id"], "progress": report})

    faulthandler.dump_traceback_later(request["deadline_s"] + DEADLINE_GRACE_S, exit=True)
    try:
        if request["verb"] not in VERBS:
            raise ValueError(f"verb: expected one of {', '.join(VERBS)}, got {request['verb']!r}")
        return {"result": getattr(agent, request["verb"])(progress, **request["arguments"])}
    except Exception as error:
        return {"error": {"kind": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}}
    finally:
        faulthandler.cancel_dump_traceback_later()


class Agent:
    """One method per verb. Arguments and results are builtin types and bytes."""

    def __init__(self, cache: str) -> None:
        self._artifacts = os.path.join(os.path.expanduser(cache), "artifacts")
        self._upload: Any = None
        self._engine: Any = None
        self._preprocessing: dict[str, Any] | None = None
        self._circumstances_before: dict[str, Any] = {}
        self._lock: Any = None

    def hello(self, progress: Progress) -> dict[str, Any]:
        """What this machine is, and which runtimes it has."""
        return {"protocol": PROTOCOL, "machine": telemetry.machine(), "runtimes": runtimes.installed()}

    def put(self, progress: Progress, *, sha256: str, size: int, offset: int, content: bytes) -> dict[str, Any]:
        """Receive an artifact piece by piece. The first, empty piece asks whether it is here already."""
        if self._is_intact(sha256):
            return {"present": True}
        if offset == 0:
            self._start_upload(size)
        self._upload.seek(offset)
        self._upload.write(content)
        if not content or offset + len(content) < size:
            return {"present": False}
        self._finish_upload(sha256)
        return {"present": True}

    def load(
        self,
        progress: Progress,
        *,
        sha256: str,
        runtime: str,
        num_threads: int,
        preprocessing: dict[str, Any] | None,
        cpus: list[int] | None = None,
        lock: dict[str, Any] | None = None,
        library: str | None = None,
        cool_down: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Load an artifact that was put here. `preprocessing` None: its inputs are random, and it is only measured.

        lock     {"holder", "wait_s"}: from now until this process ends, nobody else may measure on this machine.
        library  the SHA-256 of our LCE operators, put here like an artifact, for a stock runtime that needs them.
        cool_down  {"below_c", "max_seconds"}: when hot, wait before anything else.
        """
        path = self._path(sha256)
        if not os.path.exists(path):
            raise FileNotFoundError(f"artifact {sha256[:12]} is not on this device; put it first")
        os.utime(path)  # what was used last is kept longest
        if lock is not None:
            self._lock = locking.acquire(lock["holder"], wait_s=lock["wait_s"], on_wait=progress)
        cooled_s = 0.0
        if cool_down is not None:
            cooled_s = latency.cool_down(telemetry.temperatures_c, on_progress=progress, **cool_down)
        self._circumstances_before = telemetry.snapshot()
        if cpus:
            _pin(cpus)  # before the runtime starts its threads, which inherit it
        operators = self._path(library) if library else None
        engine = runtimes.load(path, runtime=runtime, num_threads=num_threads, library=operators)
        self._engine, self._preprocessing = engine, preprocessing
        return {
            "runtime": engine.runtime,
            "runtime_version": engine.version,
            "delegate": engine.delegate,
            "kernels": engine.kernels,
            "import_ns": engine.import_ns,
            "load_ns": engine.load_ns,
            "cooled_s": cooled_s,
            "inputs": [_described(tensor) for tensor in engine.inputs],
            "outputs": [_described(tensor) for tensor in engine.outputs],
        }

    def predict(self, progress: Progress, *, images: bytes, shape: Sequence[int]) -> dict[str, Any]:
        """Scores of a batch of uint8 images, preprocessed here: float32 (N, classes)."""
        batch = np.frombuffer(images, np.uint8).reshape(tuple(shape))
        scores = self._scores(batch, progress)
        return {"scores": scores.tobytes(), "shape": list(scores.shape)}

    def measure(self, progress: Progress, *, protocol: dict[str, Any]) -> dict[str, Any]:
        """Raw latency samples of the loaded artifact, and the circumstances around them."""
        complete = latency.complete_protocol(protocol)
        inputs = self._measurement_inputs(complete)
        measured = latency.measure(
            self._loaded().invoke,
            lambda run: self._engine.set_inputs(inputs[run % len(inputs)]),
            complete,
            glance=telemetry.glance,
            on_progress=progress,
        )
        during = measured.pop("during")
        record = {
            **measured,
            "protocol": complete,
            "peak_rss_bytes": telemetry.peak_rss_bytes(),
            "major_page_faults": telemetry.page_faults(),
            "circumstances": {
                "before": self._circumstances_before,
                "during": during,
                "after": telemetry.snapshot(),
            },
            "machine": telemetry.machine(),
        }
        return {**record, "energy": self._energy(inputs, **ENERGY_SECONDS) if complete["energy"] else None}

    def count(self, progress: Progress, *, few: int, many: int, seed: int) -> dict[str, Any]:
        """Instructions per inference of the loaded artifact, where an emulator counts them."""
        total = instructions.counter()
        inputs = self._measurement_inputs({"inputs": many, "seed": seed})
        executed = []
        for runs in (1, few, many):  # the first run allocates; it belongs to nobody
            started = total()
            for arrays in inputs[:runs]:
                self._engine.set_inputs(arrays)
                self._engine.invoke()
            executed.append(total() - started)
            progress({"stage": "counting", "done": runs, "of": many})
        return {
            "instructions": (executed[2] - executed[1]) // (many - few),
            "executed": dict(zip(("first", "few", "many"), executed)),
            "runs": {"few": few, "many": many},
            "circumstances": {"before": self._circumstances_before, "during": [], "after": telemetry.snapshot()},
            "machine": telemetry.machine(),
        }

    def perturb(
        self, progress: Progress, *, start: dict[str, Any], end: dict[str, Any], ranks: dict[str, Any], steps: list[int]
    ) -> dict[str, Any]:
        """Scores while pixels go over from the images `start` to the images `end`, in the order of `ranks`."""
        images, target, order = perturbation.unpack(start), perturbation.unpack(end), perturbation.unpack(ranks)
        rows = []
        for index in range(len(images)):
            path = perturbation.perturbed(images[index], target[index % len(target)], order[index], steps)
            rows.append(self._scores(path, lambda report: None))
            progress({"stage": "perturb", "done": index + 1, "of": len(images)})
        scores = np.stack(rows)
        return {"scores": scores.tobytes(), "shape": list(scores.shape)}

    def profile(
        self, progress: Progress, *, sha256: str, runtime: str, num_threads: int, runs: int, library: str | None = None
    ) -> dict[str, Any]:
        """What each operator of an artifact costs."""
        how = {"runtime": runtime, "num_threads": num_threads, "library": self._path(library) if library else None}
        return profile.profile(self._path(sha256), runs=runs, on_progress=progress, **how)

    def energy(self, progress: Progress, *, idle_s: float, busy_s: float, seed: int) -> dict[str, Any]:
        """An estimate of the energy of one inference of the loaded artifact, or None where nothing can tell."""
        inputs = self._measurement_inputs({"inputs": 8, "seed": seed})
        return {"energy": self._energy(inputs, idle_s=idle_s, busy_s=busy_s)}

    def stat(self, progress: Progress) -> dict[str, Any]:
        """Sensors now, room on the disk of the cache, and who is measuring."""
        os.makedirs(self._artifacts, exist_ok=True)
        return {
            **telemetry.snapshot(),
            "free_disk_bytes": shutil.disk_usage(self._artifacts).free,
            **locking.state(),
        }

    def bye(self, progress: Progress) -> dict[str, Any]:
        return {}

    # ----------------------------------------------------------------------------------------------- artifacts
    def _path(self, sha256: str) -> str:
        return os.path.join(self._artifacts, sha256)

    def _is_intact(self, sha256: str) -> bool:
        path = self._path(sha256)
        return os.path.exists(path) and _sha256_of(path) == sha256

    def _start_upload(self, size: int) -> None:
        os.makedirs(self._artifacts, exist_ok=True)
        self._remove_stale_uploads()
        self._make_room(size)
        free = shutil.disk_usage(self._artifacts).free
        if free < size:
            raise OSError(f"{self._artifacts}: the artifact needs {size} bytes, and {free} are free")
        self._upload = open(os.path.join(self._artifacts, f"part-{os.getpid()}"), "wb")  # noqa: SIM115

    def _finish_upload(self, sha256: str) -> None:
        """Checked, then renamed: never seen half-written or altered."""
        self._upload.close()
        received = _sha256_of(self._upload.name)
        if received != sha256:
            os.remove(self._upload.name)
            raise OSError(f"artifact {sha256[:12]} was altered on its way here: it arrived as {received[:12]}")
        os.replace(self._upload.name, self._path(sha256))

    def _make_room(self, size: int) -> None:
        """Of more than KEPT_BYTES, drop what was not used for longest; the host sends it again when it is wanted."""
        entries = [entry for entry in os.scandir(self._artifacts) if not entry.name.startswith("part-")]
        total = size + sum(entry.stat().st_size for entry in entries)
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime):
            if total > KEPT_BYTES:
                total -= entry.stat().st_size
                os.remove(entry.path)

    def _remove_stale_uploads(self) -> None:
        """What an agent that was killed in the middle of an upload has left behind."""
        for entry in os.scandir(self._artifacts):
            if (
                entry.name.startswith("part-")
                and time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_UPLOAD_SECONDS
            ):
                os.remove(entry.path)

    # --------------------------------------------------------------------------------------------- predictions
    def _loaded(self) -> Any:
        if self._engine is None:
            raise RuntimeError("no artifact is loaded; load one first")
        return self._engine

    def _scores(self, images: NDArray[Any], progress: Progress) -> NDArray[Any]:
        engine, record = self._loaded(), self._preprocessing
        if record is None or len(engine.inputs) != 1:
            raise ValueError(
                f"predict: expected one image input and its preprocessing, got {len(engine.inputs)} inputs"
            )
        if len(images) == 0:
            return np.zeros((0, math.prod(engine.outputs[0].shape[1:])), np.float32)
        size = engine.inputs[0].shape[0]
        rows, said = [], time.monotonic()
        for start in range(0, len(images), size):
            rows.append(self._batch_scores(images[start : start + size], record))
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                progress({"stage": "predict", "done": start + size, "of": len(images)})
        return np.concatenate(rows)

    def _batch_scores(self, images: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
        """A last, smaller batch is filled up with its own first image: artifacts have a fixed batch size."""
        source, target = self._engine.inputs[0], self._engine.outputs[0]
        missing = source.shape[0] - len(images)
        filled = np.concatenate([images, np.repeat(images[:1], missing, axis=0)]) if missing else images
        encoded = source.encode(preprocess(filled, record))
        if encoded.shape != source.shape:
            raise ValueError(f"images: the artifact expects {source.shape}, got {encoded.shape} after preprocessing")
        self._engine.set_inputs([encoded])
        self._engine.invoke()
        scores: NDArray[np.float32] = target.decode(self._engine.get_outputs()[0])
        return scores.reshape(source.shape[0], -1)[: len(images)]

    def _energy(self, inputs: list[list[NDArray[Any]]], *, idle_s: float, busy_s: float) -> dict[str, Any] | None:
        turns = itertools.cycle(inputs)

        def run() -> None:
            self._engine.set_inputs(next(turns))
            self._engine.invoke()

        return energy.estimate(run, energy.find_source(), idle_s=idle_s, busy_s=busy_s)

    def _measurement_inputs(self, protocol: dict[str, Any]) -> list[list[NDArray[Any]]]:
        """Several inputs that take turns, so that nothing is answered from a cache of the last one."""
        engine, record, count, seed = self._loaded(), self._preprocessing, protocol["inputs"], protocol["seed"]
        if record is None:
            return [
                [latency.random_tensor(tensor.shape, tensor.dtype, seed=seed + i) for tensor in engine.inputs]
                for i in range(count)
            ]
        batch = engine.inputs[0].shape[0]
        size = {"height": record["height"], "width": record["width"], "channels": len(record["mean"])}
        images = latency.random_images(count * batch, seed=seed, **size)
        encoded = engine.inputs[0].encode(preprocess(images, record))
        return [[encoded[i * batch : (i + 1) * batch]] for i in range(count)]


VERBS = ("hello", "put", "load", "predict", "perturb", "measure", "count", "profile", "energy", "stat", "bye")


def _pin(cpus: list[int]) -> None:
    """The kernel would quietly leave out a CPU that it does not have."""
    there = os.sched_getaffinity(0)
    if not there.issuperset(cpus):
        raise ValueError(f"cpus: expected some of {sorted(there)}, got {cpus}")
    os.sched_setaffinity(0, cpus)


def _described(tensor: runtimes.Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()
