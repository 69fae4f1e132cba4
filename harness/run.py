"""A run: open the store, plan, do what is missing, stage by stage, and report.

Every unit is committed in a transaction of its own when it is finished, so a run that is killed at any moment is
continued by the same command, and a run that is complete does nothing.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.experiment import Experiment
from harness.plan import plan, restrict
from harness.processes import Finished, perform, perform_apart, workers_that_fit
from harness.progress import StageProgress, stage_progress
from harness.saliency import METHODS, parameters_of
from harness.stages import STAGES, Stage
from harness.store import Store, Unit, canonical_json
from harness.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a run ended: `done_before` units were in the store already, `done` and `failed` are those of this command."""

    folder: Path
    done_before: int
    done: int
    failed: int
    failed_before: int


def run(
    experiment: Experiment, folder: Path, *, retry_failed: bool = False, stages: Collection[str] = tuple(STAGES)
) -> RunSummary:
    """Do every unit of the experiment that the folder's store does not have yet.

    stages  do only these, and what they build on; the rest of the plan stays to be done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_run_in(folder), Store(folder) as store:
        workshop = Workshop(experiment, store)
        units = plan(experiment, workshop.dataset_of)
        store.discard_parts()
        damaged = store.forget_damaged("conversion")
        if damaged:
            _say(f"{damaged} artifacts are damaged or gone; they are made again")
        if retry_failed:
            store.forget_failures()
        _remember(experiment, store, units)
        units = restrict(units, stages)
        finished = store.finished()
        known = [finished[unit.key] for unit in units if unit.key in finished]
        missing = [unit for unit in units if unit.key not in finished]
        _say(f"{experiment.name}: {len(units)} units of work, {len(known)} done before, {len(missing)} to do")
        failed = sum(not succeeded for succeeded in _perform_all(missing, workshop))
    return RunSummary(
        folder=folder,
        done_before=known.count("done"),
        done=len(missing) - failed,
        failed=failed,
        failed_before=known.count("failed"),
    )


def _remember(experiment: Experiment, store: Store, units: list[Unit]) -> None:
    from importlib.metadata import version

    store.replace_plan(units)
    store.set_meta("experiment_name", experiment.name)
    store.set_meta("experiment", experiment.text)
    store.set_meta("bitlens", version("bitlens"))
    store.set_meta("command", f"bitlens run {experiment.name}.toml")
    store.set_meta("versions", canonical_json(_versions()))


def _versions() -> dict[str, str]:
    """What is installed of the packages that results depend on."""
    from importlib.metadata import distributions

    names = ("tensorflow-cpu", "tensorflow", "larq", "larq-compute-engine", "numpy", "tflite-runtime", "ai-edge-litert")
    return {d.name: d.version for d in distributions() if d.name in names}


def _perform_all(units: Iterable[Unit], workshop: Workshop) -> Iterator[bool]:
    """Do units in order, a progress bar for each stage; True for each that succeeded."""
    for kind, group in itertools.groupby(units, key=lambda unit: unit.kind):
        of_stage, stage = list(group), STAGES[kind]
        with stage_progress(stage.doing, len(of_stage)) as progress:
            do = _apart if stage.apart else _here
            for finished in do(of_stage, stage, workshop, progress):
                yield _keep(finished, workshop.store)
                progress.finished_one(_describe(finished.unit))


def _here(units: Iterable[Unit], stage: Stage, workshop: Workshop, progress: StageProgress) -> Iterator[Finished]:
    for unit in units:
        what = _describe(unit)
        progress.working_on(what, 0.0)
        yield perform(unit, stage.perform, workshop, partial(progress.working_on, what))


def _apart(units: Sequence[Unit], stage: Stage, workshop: Workshop, progress: StageProgress) -> Iterator[Finished]:
    return perform_apart(
        units,
        stage.perform,
        experiment=workshop.experiment,
        folder=workshop.store.folder,
        workers=workers_that_fit(),
        on_hand=lambda units: progress.working_on(", ".join(map(_describe, units)), 0.0),
    )


def _keep(finished: Finished, store: Store) -> bool:
    """Store a unit's outcome, or the reason why there is none. True when there is an outcome."""
    if finished.outcome is not None:
        store.commit(finished.unit, finished.outcome, seconds=finished.seconds)
        return True
    store.fail(finished.unit, finished.reason, seconds=finished.seconds)
    _say(f"failed: {STAGES[finished.unit.kind].doing}, {_describe(finished.unit)}: {finished.reason}")
    if os.environ.get("BITLENS_DEBUG"):
        _say(finished.trace)
    return False


def _describe(unit: Unit) -> str:
    """A unit in a few words, such as "planted-binary lce on this-host, 2 threads"."""
    spec = unit.spec
    if unit.kind == "images":
        return f"{spec['count']} of {spec['dataset']} {spec['split']}"
    words = [spec["model"]["name"], spec.get("format"), spec.get("method"), *_chosen(spec), spec.get("metric")]
    if spec.get("device"):
        words.append(f"on {spec['device']['name']}")
    if "num_threads" in spec:
        words.append(f"{spec['num_threads']} thread{'s' * (spec['num_threads'] > 1)}")
    return " ".join(word for word in words if word)


def _chosen(spec: dict[str, Any]) -> list[str]:
    """The parameters of a saliency method that are not its defaults."""
    if spec.get("method") not in METHODS or "metric" in spec:
        return []
    defaults = parameters_of(spec["method"], {})
    return [f"{name}={value}" for name, value in spec["parameters"].items() if defaults.get(name) != value]


@contextmanager
def _only_run_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. The kernel lets go of it when the process ends, however it ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f'run folder "{folder}": another run is working in it', hint="wait for it, or give --out another folder"
            ) from None
        yield


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
