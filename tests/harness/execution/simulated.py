"""Work that costs nothing and whose results are known, for tests of how work is handed out; also as a program.

python -m tests.harness.execution.simulated FOLDER UNITS ADDRESS SECONDS

does so many units of so many seconds on the cluster at ADDRESS, or here if it is "-".
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ConversionError
from harness.execution.coordinator import RunSummary, perform_missing
from harness.execution.sizing import WorkerConfig
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Score, Store, Unit
from harness.store.folder import only_run_in, store_errors_explained

STAGE = Stage(perform=f"{__name__}:perform", doing="simulating")


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
    """Stands in for a stage: does what the unit's spec says."""
    does = unit.spec.get("does", "nothing")
    return BEHAVIOURS[does](unit, context)


def _nothing(unit: Unit, context: Any) -> Outcome:
    return Outcome(result={"pid": os.getpid()})


def _array(unit: Unit, context: Any) -> Outcome:
    """A step of a chain: what the step before left, and one number more."""
    time.sleep(unit.spec.get("seconds", 0.0))
    before = unit.needs.get("after")
    values = context.store.load_array(context.result(before).result["blob"]) if before else np.zeros(0)
    values = np.append(values, unit.spec["number"])
    scores = [Score(image=str(i), value=float(value)) for i, value in enumerate(values)]
    return Outcome(result={"blob": context.store.save_array(values)}, scores=scores)


def _refuse(unit: Unit, context: Any) -> Outcome:
    raise ConversionError("layer is odd", hint="another")


def _fail(unit: Unit, context: Any) -> Outcome:
    raise ZeroDivisionError("by zero")


def _be_killed(unit: Unit, context: Any) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _be_killed_once(unit: Unit, context: Any) -> Outcome:
    marker = Path(unit.spec["marker"])
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(result={"pid": os.getpid()})


def _abort(unit: Unit, context: Any) -> Outcome:
    print("LLVM ERROR: out of ideas", flush=True)
    os.abort()


def _take_memory(unit: Unit, context: Any) -> Outcome:
    taken = [np.ones(1 << 23) for _ in range(16)]  # 1 GiB
    while True:
        time.sleep(len(taken))


def _wait(unit: Unit, context: Any) -> Outcome:
    while True:
        time.sleep(1.0)


def _no_room(unit: Unit, context: Any) -> Outcome:
    raise OSError(28, "No space left on device")


BEHAVIOURS = {
    "nothing": _nothing,
    "array": _array,
    "refuse": _refuse,
    "bug": _fail,
    "killed": _be_killed,
    "killed once": _be_killed_once,
    "aborted": _abort,
    "memory": _take_memory,
    "wait": _wait,
    "no room": _no_room,
}


def unit(model: str, does: str = "nothing", *, after: Unit | None = None, **more: Any) -> Unit:
    needs = {"after": after.key} if after else {}
    return Unit(kind="simulated", spec={"model": {"name": model}, "does": does, **more}, needs=needs)


def chains(count: int, *, seconds: float) -> Iterator[Unit]:
    """`count` steps in chains of five, of three models."""
    after = None
    for number in range(count):
        step = unit(
            f"model {number % 3}",
            "array",
            number=number,
            after=after if number % 5 else None,
            seconds=seconds,
        )
        after = step
        yield step


def experiment_in(folder: Path) -> Experiment:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "simulated.toml").write_text('models = ["planted-float"]\n[dataset]\nkind = "planted"\n')
    return read_experiment(folder / "simulated.toml")


def do(folder: Path, units: Iterator[Unit] | list[Unit], worker_config: WorkerConfig) -> RunSummary:
    """What `coordinator.run` does, with simulated units; the caller has put STAGE among the stages."""
    experiment = experiment_in(folder)
    with only_run_in(folder), store_errors_explained(), Store(folder) as store:
        store.discard_parts()
        store.replace_plan(units)
        return perform_missing(store, experiment, worker_config)


def start(folder: Path, units: int, *, seconds: float, address: str = "-") -> subprocess.Popen[str]:
    """The program, in a process group of its own."""
    words = [sys.executable, "-m", __name__, str(folder), str(units), address, str(seconds)]
    return subprocess.Popen(
        words, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


if __name__ == "__main__":
    # the stage's function is looked up by name, in this module as workers import it, not in __main__
    STAGES["simulated"] = Stage(perform="tests.harness.execution.simulated:perform", doing="simulating")
    folder, count, address = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    worker_config = WorkerConfig(workers=2) if address == "-" else WorkerConfig(cluster=address)
    do(folder, chains(count, seconds=float(sys.argv[4])), worker_config)
