"""The agent: answers the host's requests, one at a time, until it says bye or hangs up.

    {"id", "verb", "deadline_s", "arguments"}  ->  {"id", "progress"} ..., then {"id", "result"} or {"id", "error"}

An error carries its class, message and traceback. The deadline is enforced here too: a watchdog that needs no Python
writes every thread's stack to stderr and ends the process, even from within a hanging native call. One process serves
one job; there is nothing to clean up after it. What it may ask for of the memory is limited before it does anything.
"""

from __future__ import annotations

import faulthandler
import os
import re
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from . import energy, instructions, latency, locking, memory, perturbation, profile, runtimes, telemetry
from .artifacts import Artifacts
from .inference import Inference
from .inputs import Inputs

PROTOCOL = 1
DEADLINE_GRACE_S = 2.0  # the host's own deadline passes first, so that its message is the one that is read
ENERGY_SECONDS = {"idle_s": 3.0, "busy_s": 10.0}
Progress = Callable[[dict[str, Any]], None]


def serve(channel: Any, cache: str, memory_mib: int | None = None) -> None:
    """Say that we are ready, then answer requests from `channel` (send, receive) until bye, or until nobody is there.

    cache       a folder that is ours (files.claim_cache).
    memory_mib  what this process may ask for; by default what the machine has to spare.
    """
    faulthandler.enable()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    agent = Agent(cache, memory_limit_bytes=memory.limit(memory_mib))
    channel.send({"memory_limit_bytes": agent.memory_limit_bytes})
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
    except MemoryError as error:
        return {"error": _described_error(memory.exceeded(error, agent.memory_limit_bytes))}
    except Exception as error:
        return {"error": _described_error(error)}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _described_error(error: Exception) -> dict[str, str]:
    """Some errors of the runtimes have no message; then where it happened is the reason that there is."""
    where = traceback.extract_tb(error.__traceback__)[-1:]
    said = re.sub(r"(?<=\S)(?=Node number \d)", "; ", str(error).strip())  # TFLite sets no space between sentences
    reason = said or f"no reason was given, in {where[0].name if where else 'the agent'}"
    return {"kind": type(error).__name__, "message": reason, "traceback": traceback.format_exc()}


class Agent:
    """One method per verb. Arguments and results are builtin types and bytes."""

    def __init__(self, cache: str, *, memory_limit_bytes: int | None = None) -> None:
        self.memory_limit_bytes = memory_limit_bytes
        self._artifacts = Artifacts(cache)
        self._inference: Inference | None = None
        self._conditions_before: dict[str, Any] = {}
        self._lock: Any = None

    def hello(self, progress: Progress) -> dict[str, Any]:
        """What this machine is, and which runtimes it has."""
        return {"protocol": PROTOCOL, "machine": telemetry.machine(), "runtimes": runtimes.installed()}

    def put(self, progress: Progress, *, sha256: str, size: int, offset: int, content: bytes) -> dict[str, Any]:
        """Receive an artifact piece by piece. The first, empty piece asks whether it is here already."""
        return {"present": self._artifacts.receive(sha256, size=size, offset=offset, content=content)}

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
        inputs: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Load an artifact that was put here. `preprocessing` None: its inputs are random, and it is only measured.

        lock     {"holder", "wait_s"}: from now until this process ends, nobody else may measure on this machine.
        library  the SHA-256 of our LCE operators, put here like an artifact, for a stock runtime that needs them.
        cool_down  {"below_c", "max_seconds"}: when hot, wait before anything else.
        inputs   what is said of its inputs, see inputs.py.
        options  of the runtime, see runtimes.load; a delegate that was put here goes by its SHA-256.
        """
        path = self._artifacts.use(sha256)
        if lock is not None:
            self._lock = locking.acquire(lock["holder"], wait_s=lock["wait_s"], on_wait=progress)
        cooled_s = 0.0
        if cool_down is not None:
            cooled_s = latency.cool_down(telemetry.temperatures_c, on_progress=progress, **cool_down)
        self._conditions_before = telemetry.snapshot()
        if cpus:
            _pin(cpus)  # before the runtime starts its threads, which inherit it
        operators = self._artifacts.use(library) if library else None
        said = inputs
        if preprocessing and not inputs:  # an input that leaves its shape open takes one image
            said = {"shapes": {"": [1, preprocessing["height"], preprocessing["width"], len(preprocessing["mean"])]}}
        how: dict[str, Any] = {"library": operators, "inputs": said, "options": self._resolved(options, sha256)}
        engine = runtimes.load(path, runtime=runtime, num_threads=num_threads, **how)
        self._inference = Inference(engine, preprocessing, inputs)
        return {
            "runtime": engine.runtime,
            "runtime_version": engine.version,
            "delegate": engine.delegate,
            "taken": engine.taken,
            "weight_cache": getattr(engine, "weight_cache", None),
            "kernels": engine.kernels,
            "import_ns": engine.import_ns,
            "load_ns": engine.load_ns,
            "cooled_s": cooled_s,
            "inputs": [_described(tensor) for tensor in engine.inputs],
            "outputs": [_described(tensor) for tensor in engine.outputs],
        }

    def predict(self, progress: Progress, *, images: dict[str, Any]) -> dict[str, Any]:
        """Scores of images, float32 (N, classes): of uint8 ones, preprocessed here, or of prepared float32 ones."""
        began = time.monotonic()
        scores = self._loaded().scores(perturbation.unpack(images), progress)
        return {"scores": perturbation.pack(scores), "seconds": time.monotonic() - began}

    def measure(self, progress: Progress, *, protocol: dict[str, Any]) -> dict[str, Any]:
        """Raw latency samples of the loaded artifact, and the conditions around them."""
        complete = latency.complete_protocol(protocol)
        inference = self._loaded()
        inputs = inference.measurement_inputs(complete["inputs"], seed=complete["seed"])
        measured = latency.measure(
            inference.engine.invoke,
            lambda run: inference.engine.set_inputs(inputs[run % len(inputs)]),
            complete,
            read_sensors=telemetry.sample,
            on_progress=progress,
        )
        during = measured.pop("during")
        record = {
            **measured,
            "protocol": complete,
            "peak_rss_bytes": telemetry.peak_rss_bytes(),
            "major_page_faults": telemetry.page_faults(),
            **self._conditions(during=during),
        }
        return {**record, "energy": self._energy(inputs, **ENERGY_SECONDS) if complete["energy"] else None}

    def count(self, progress: Progress, *, few: int, many: int, seed: int) -> dict[str, Any]:
        """Instructions per inference of the loaded artifact, where an emulator counts them."""
        total = instructions.counter()
        inference = self._loaded()
        inputs = inference.measurement_inputs(many, seed=seed)
        executed = []
        for runs in (1, few, many):  # the first run allocates; it belongs to nobody
            started = total()
            for arrays in inputs[:runs]:
                inference.run(arrays)
            executed.append(total() - started)
            progress({"stage": "counting", "done": runs, "of": many})
        return {
            "instructions": (executed[2] - executed[1]) // (many - few),
            "executed": dict(zip(("first", "few", "many"), executed)),
            "runs": {"few": few, "many": many},
            **self._conditions(during=[]),
        }

    def perturb(
        self, progress: Progress, *, images: dict[str, Any], ranks: dict[str, Any], rows: list[Any], steps: list[int]
    ) -> dict[str, Any]:
        """Scores while pixels go over, for each row (start, end, order): the places of two `images`, one of `ranks`."""
        began, pixels, orders = time.monotonic(), perturbation.unpack(images), perturbation.unpack(ranks)
        scores = []
        for done, (start, end, order) in enumerate(rows, 1):
            path = perturbation.perturbed(pixels[start], pixels[end], orders[order], steps)
            scores.append(self._loaded().scores(path, lambda report: None))
            progress({"stage": "perturb", "done": done, "of": len(rows)})
        return {"scores": perturbation.pack(np.stack(scores)), "seconds": time.monotonic() - began}

    def profile(
        self,
        progress: Progress,
        *,
        sha256: str,
        runtime: str,
        num_threads: int,
        runs: int,
        library: str | None = None,
        inputs: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What each operator of an artifact costs."""
        operators = self._artifacts.use(library) if library else None
        how = {"runtime": runtime, "num_threads": num_threads, "library": operators, "inputs": inputs}
        whole = {**(options or {}), "weight_cache": None}  # a cache is of the whole, not of pieces
        how["options"] = self._resolved(whole, sha256)
        return profile.profile(self._artifacts.use(sha256), runs=runs, on_progress=progress, **how)

    def energy(self, progress: Progress, *, idle_s: float, busy_s: float, seed: int) -> dict[str, Any]:
        """An estimate of the energy of one inference of the loaded artifact, or None without a sensor."""
        inputs = self._loaded().measurement_inputs(8, seed=seed)
        return {"energy": self._energy(inputs, idle_s=idle_s, busy_s=busy_s)}

    def stat(self, progress: Progress) -> dict[str, Any]:
        """Sensors now, room on the disk of the cache, and who is measuring."""
        return {**telemetry.snapshot(), "free_disk_bytes": self._artifacts.free_bytes(), **locking.state()}

    def bye(self, progress: Progress) -> dict[str, Any]:
        return {}

    def _resolved(self, options: dict[str, Any] | None, sha256: str) -> dict[str, Any]:
        """The options of a runtime with files in the place of what stands for them."""
        options = dict(options or {})
        if options.pop("sent", False):
            options["delegate"] = self._artifacts.use(options["delegate"])
        if options.get("weight_cache"):
            options["weight_cache"] = self._artifacts.beside(sha256, "weights")
        return options

    def _loaded(self) -> Inference:
        if self._inference is None:
            raise RuntimeError("no artifact is loaded; load one first")
        return self._inference

    def _energy(self, inputs: list[Inputs], *, idle_s: float, busy_s: float) -> dict[str, Any] | None:
        run = self._loaded().run_in_turn(inputs)
        return energy.estimate(run, energy.find_source(), idle_s=idle_s, busy_s=busy_s)

    def _conditions(self, *, during: list[dict[str, Any]]) -> dict[str, Any]:
        """The measurement conditions as a record stores them: what the machine is, and how it was doing."""
        around = {"before": self._conditions_before, "during": during, "after": telemetry.snapshot()}
        return {"circumstances": around, "machine": telemetry.machine()}


VERBS = ("hello", "put", "load", "predict", "perturb", "measure", "count", "profile", "energy", "stat", "bye")


def _pin(cpus: list[int]) -> None:
    """The kernel would quietly leave out a CPU that it does not have."""
    there = os.sched_getaffinity(0)
    if not there.issuperset(cpus):
        raise ValueError(f"cpus: expected some of {sorted(there)}, got {cpus}")
    os.sched_setaffinity(0, cpus)


def _described(tensor: runtimes.Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}
