"""A run: open the store, plan, and have what is missing done by local workers or a cluster, and by the boards.

The coordinator alone writes the database, and commits at once whatever is finished. So a run that is killed at any
moment is continued by the same command, and a run that is complete does nothing.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from harness.errors import counted
from harness.execution import missing_tools
from harness.execution.outlook import Outlook
from harness.execution.own_models import completed
from harness.execution.progress import Tally, run_progress
from harness.execution.run_loop import RunLoop
from harness.execution.sizing import WorkerConfig
from harness.execution.versions import RECORDED, installed
from harness.experiment.experiment import Experiment
from harness.models.loading import check_installed
from harness.plan.label_check import doubt_of_labels
from harness.plan.planner import each_unit, plan, restrict
from harness.saying import detail, say
from harness.stages.context import RunContext
from harness.stages.stage_table import STAGES
from harness.store.atomic_files import remove_parts
from harness.store.database import Store
from harness.store.folder import check_writable, only_run_in, removed_if_refused, store_errors_explained
from harness.store.run_log import logged
from harness.store.tables import SCHEMA_VERSION
from harness.store.units import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a run ended: `done_before` units were in the store already, `done` and `failed` are those of this command.

    away  the units that were not begun, because their boards were away; the same command does them.
    """

    folder: Path
    done_before: int
    done: int
    failed: int
    failed_before: int
    away: int = 0


def run(
    experiment: Experiment,
    folder: Path,
    *,
    retry_failed: bool = False,
    stages: Collection[str] = tuple(STAGES),
    worker_config: WorkerConfig | None = None,
    command: str = "",
) -> RunSummary:
    """Do every unit of the experiment that the folder's store does not have yet.

    stages         do only these, and what they build on; the rest of the plan stays to be done.
    worker_config  who does them; by default as many processes of this machine as its cores and memory allow.
    """
    experiment = completed(experiment)
    with opened(experiment, folder) as store:
        detail(f"command: {command}" if command else "started by another program")
        store.set_meta("command", command)  # with which a shell makes the run again, from any folder; "" says nothing
        if retry_failed:
            store.forget_failures()
        return perform_missing(
            store, experiment, worker_config or WorkerConfig(), part=_part(experiment, store, stages)
        )


@contextmanager
def opened(experiment: Experiment, folder: Path) -> Iterator[Store]:
    """The store of a run, with the plan of a completed experiment in it, for this process alone."""
    with removed_if_refused(folder):
        for place in (folder, folder / "blobs"):
            check_writable(place, f'run folder "{folder}"')
        with (
            only_run_in(folder),
            logged(folder),
            store_errors_explained(folder),
            Store(folder, is_locked=True) as store,
        ):
            detail(f"bitlens {version('bitlens')}, Python {platform.python_version()}, {platform.platform()}")
            if store.schema_found < SCHEMA_VERSION:
                say(f"{folder}: migrated from an older bitlens to schema {SCHEMA_VERSION}; what was done stays done")
            _prepare(store, experiment)
            yield store


def perform_missing(
    store: Store, experiment: Experiment, worker_config: WorkerConfig, *, part: Collection[str] | None = None
) -> RunSummary:
    """Do the planned units that the store does not have; only those with these keys, if any are given."""
    before = store.counts(part)
    units, missing = sum(sum(of.values()) for of in before.values()), _sum(before, "planned")
    if missing:
        check_installed([*experiment.models, *experiment.counterparts.values()])
    work = f"{counted(units, 'unit of work')} (conversions, measurements, maps, scores)"
    say(f"{experiment.name}: {work}, {units - missing} done before, {missing} to do")
    to_do = (unit for unit in store.missing() if part is None or unit.key in part)
    stages = {kind: _tally(kind, of_kind) for kind, of_kind in before.items()}
    times = ((unit, seconds) for unit, seconds in store.times() if part is None or unit.key in part)
    with run_progress(stages, Outlook(times if missing else ())) as progress:
        loop = RunLoop(store, experiment, worker_config, units=to_do, progress=progress)
        loop.perform()
    after = store.counts(part)
    return RunSummary(
        folder=store.folder,
        done_before=_sum(before, "done"),
        done=_sum(after, "done") - _sum(before, "done"),
        failed=_sum(after, "failed") - _sum(before, "failed"),
        failed_before=_sum(before, "failed"),
        away=len(loop.away),
    )


def _prepare(store: Store, experiment: Experiment) -> None:
    """Tidy up after a run that was killed, and write down what this one is to do."""
    store.discard_parts()
    remove_parts(store.folder)
    shutil.rmtree(store.folder / "logs", ignore_errors=True)
    context = RunContext(experiment, store)
    doubts = [doubt_of_labels(model, context.dataset_of(model.name)) for model in experiment.scored_models]
    remarks = [*context.dataset_remarks(), *filter(None, doubts), *missing_tools.sentences(experiment)]
    for remark in remarks:
        say(remark)
    store.replace_plan(each_unit(experiment, context.dataset_of), kinds=tuple(STAGES))
    store.set_meta("remarks", canonical_json(remarks))
    store.set_meta("away", "{}")
    store.set_meta("experiment_name", experiment.name)
    store.set_meta("experiment", experiment.text)
    store.set_meta("seeds", canonical_json({model.name: model.seed_of for model in experiment.models if model.seed_of}))
    store.set_meta("bitlens", version("bitlens"))
    store.set_meta("versions", canonical_json(installed(RECORDED)))
    _forget_damaged(store)


def _forget_damaged(store: Store) -> None:
    """Have what is damaged done again, and say so."""
    damage = store.forget_damaged()
    for sentence in damage.run:
        say(f"{store.folder}: {sentence}; what is missing is done again")
    count = sum(store.planned_unit(key) is not None for key in damage.keys)
    if count:
        say(f"{count} unit{'s' if count > 1 else ''} had damaged results and {'are' if count > 1 else 'is'} done again")


def _part(experiment: Experiment, store: Store, stages: Collection[str]) -> set[str] | None:
    """The keys of the units that these stages need; None for all."""
    if set(stages) == set(STAGES):
        return None
    return {unit.key for unit in restrict(plan(experiment, RunContext(experiment, store).dataset_of), stages)}


def _sum(counts: dict[str, dict[str, int]], status: str) -> int:
    return sum(of_kind[status] for of_kind in counts.values())


def _tally(kind: str, counts: dict[str, int]) -> Tally:
    total = sum(counts.values())
    return Tally(doing=STAGES[kind].doing, total=total, done=total - counts["planned"], failed=counts["failed"])
