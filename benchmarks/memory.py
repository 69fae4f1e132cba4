"""Memory: what stays behind call after call of `explain`, and the most that whole jobs hold, against bounds.

    python benchmarks/memory.py [--quick] [--only NAME ...] [--json] [--save]

explain      resident MiB that a process gained from its first 40 calls to the last of 2,000 (--calls), by five methods
             in turn, one to four images at a time: with one small binarized model, and with MobileNetV2 at 96x96.
new models   the same where each of 200 calls (a tenth) is about a model that was just built and is then dropped; and
             where such models are only built, called and dropped: what Keras and TensorFlow keep without us.
demo         the most that all processes of `bitlens demo` held together.
accuracy     the same of an accuracy unit of 1,000 images of 224x224, MobileNetV2's: the Keras model, and its fp32
             artifact on this host.
smoothgrad   the same of SmoothGrad with ten samples of eight images of 224x224, VGG16.

Every job has fresh processes and two CPUs, whatever the machine has: more CPUs are more workers and more batches at a
time. A peak is the largest of the sums of the processes' proportional set sizes (a page that n of them share counts 1/n
in each), looked at four times a second; looking takes some of one CPU. Weights are random. A figure above its bound
is named, and the exit code is 1; what has no bound is only stated.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.memory_jobs import MIB, WARM_UP, do_accuracy, growth, prepare_accuracy, smoothgrad
from benchmarks.ratios import Limits, measured_once
from benchmarks.results import Table, parser_of, positive_int, publish

CPUS = 2
LOOKS_PER_S = 4
BOUNDS = {
    "explain_one_model_mib": 50.0,
    "explain_mobilenet_v2_mib": 50.0,
    "explain_new_models_beyond_keras_kib_per_call": 100.0,
    "demo_peak_mib": 1536.0,
    "accuracy_keras_peak_mib": 2048.0,
    "accuracy_fp32_peak_mib": 512.0,
    "smoothgrad_vgg16_peak_mib": 2880.0,
}
JOBS = ("explain", "new models", "demo", "accuracy", "smoothgrad")
LONG = ("new models", "demo", "smoothgrad")


def main() -> None:
    options, watch = _options(), Watch()
    _use_two_cpus()
    figures: dict[str, float] = {}
    for name in options.only:
        figures |= _measured(name, options)
        watch.look()
    ratios = {
        f"{name}_of_bound": measured_once(f"{name}: of its bound", value / BOUNDS[name])
        for name, value in figures.items()
        if name in BOUNDS
    }
    publish(options, watch, ratios=ratios, figures=figures, tables=[_table(figures)])
    if over := [name for name in BOUNDS if figures.get(name, 0) > BOUNDS[name]]:
        sys.exit(f"above its bound: {', '.join(over)}")


def _measured(job: str, options: argparse.Namespace) -> dict[str, float]:
    jobs: dict[str, Callable[[], dict[str, float]]] = {
        "explain": lambda: _explain(options.calls),
        "new models": lambda: _new_models(options.calls // 10),
        "demo": _demo,
        "accuracy": lambda: _accuracy(options.images),
        "smoothgrad": lambda: {"smoothgrad_vgg16_peak_mib": _peak_of(smoothgrad)},
    }
    assert tuple(jobs) == JOBS
    return jobs[job]()


def _table(figures: dict[str, float]) -> Table:
    rows = [[name, f"{value:.1f}", f"{BOUNDS[name]:.0f}" if name in BOUNDS else ""] for name, value in figures.items()]
    return Table(f"MiB or KiB, on {CPUS} CPUs", ["what", "measured", "bound"], rows)


def _explain(calls: int) -> dict[str, float]:
    return {
        "explain_one_model_mib": _told_by(growth, "small", calls),
        "explain_mobilenet_v2_mib": _told_by(growth, "mobilenet-v2", calls),
    }


def _new_models(calls: int) -> dict[str, float]:
    explained, only_built = (_told_by(growth, name, calls) * 1024 / (calls - WARM_UP) for name in ("new", "built"))
    return {
        "explain_new_models_kib_per_call": explained,
        "building_models_kib_per_call": only_built,
        "explain_new_models_beyond_keras_kib_per_call": explained - only_built,
    }


def _demo() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "harness.cli.main", "demo", "--out", f"{folder}/run"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        peak = _peak_while(lambda: process.poll() is None, process.pid)
        if process.returncode:
            sys.exit(f"the demo ended with {process.returncode}")
    return {"demo_peak_mib": peak}


def _accuracy(images: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        units, inputs = _told_by(prepare_accuracy, folder, images)
        return {
            f"accuracy_{name}_peak_mib": _peak_of(do_accuracy, folder, unit, inputs) for name, unit in units.items()
        }


def _told_by(function: Callable[..., None], *arguments: Any) -> Any:
    """What the function sends from a process of its own."""
    with _process(function, *arguments) as (_, pipe):
        return pipe.recv()


def _peak_of(function: Callable[..., None], *arguments: Any) -> float:
    """The most MiB that a process of its own and its descendants held together until the function sent something."""
    with _process(function, *arguments) as (process, pipe):
        peak = _peak_while(lambda: not pipe.poll(1 / LOOKS_PER_S), process.pid)
        pipe.recv()  # or the reason why it has nothing to send
        return peak


@contextmanager
def _process(function: Callable[..., None], *arguments: Any) -> Iterator[tuple[Any, Any]]:
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=function, args=(theirs, *arguments))
    process.start()
    theirs.close()  # ours alone would keep the pipe of a dead process open, and us waiting
    try:
        yield process, pipe
    finally:
        process.join()


def _peak_while(goes_on: Callable[[], bool], pid: int) -> float:
    peak = 0
    while goes_on():
        peak = max(peak, sum(map(_held_bytes, _family(pid))))
        time.sleep(1 / LOOKS_PER_S)
    return peak / MIB


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _held_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
        return 0  # it has ended


def _use_two_cpus() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CPUS])


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits())
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), help="these alone")
    parser.add_argument("--calls", type=positive_int, default=2000)
    parser.add_argument("--images", type=positive_int, default=1000, help="of the accuracy unit")
    options = parser.parse_args()
    if options.quick:
        options.calls, options.images = min(options.calls, 200), min(options.images, 100)
        options.only = [name for name in options.only if name not in LONG]
    return options


if __name__ == "__main__":
    main()
