"""`bitlens plan`: what a run will take, before it is begun. It parses and prints; `harness.plan.estimate` counts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.options import AsJson, Memory, Quiet, Verbose, Workers, listen_to, worker_config_of
from harness.cli.text import size
from harness.errors import counted
from harness.saying import duration
from reports.data.aligned import aligned

if TYPE_CHECKING:
    from harness.plan.estimate import Estimate, StageRow

HEAD = ("stage", "units", "done", "failed", "to do", "time left", "space")
UNKNOWN = "not known yet"


def plan(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).", metavar="EXPERIMENT.toml")],
    out: Annotated[
        Optional[Path], typer.Option(help="Folder of the run; by default runs/<name of the experiment>.")
    ] = None,
    data: Annotated[Optional[Path], typer.Option(help="Path of the data set, instead of the one in the file.")] = None,
    calibrate: Annotated[
        bool, typer.Option(help="First run two units of each sort that has too few results, to measure them.")
    ] = False,
    workers: Workers = None,
    memory: Memory = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """List the units of an experiment, what is done, how long the rest will take, and what costs most."""
    from harness.cpus import available_cores
    from harness.execution.coordinator import opened, perform_missing
    from harness.execution.own_models import completed
    from harness.execution.sizing import available_bytes, size_of
    from harness.experiment.reader import read_experiment
    from harness.plan.estimate import estimate, samples

    listen_to(quiet=quiet, verbose=verbose)
    worker_config = worker_config_of(workers=workers, memory=memory)
    wanted = completed(read_experiment(experiment, data=data))
    with opened(wanted, out or Path("runs") / wanted.name) as store:
        if calibrate:
            perform_missing(store, wanted, worker_config, part=samples(store))
        size = size_of(worker_config, wanted, cores=available_cores(), available=available_bytes())
        expected = estimate(store, workers=max(1, size.workers))
        can_measure = bool(samples(store))
    print(json.dumps(dataclasses.asdict(expected)) if as_json else as_text(expected, can_measure=can_measure))


def as_text(expected: Estimate, *, can_measure: bool) -> str:
    """A table of the stages, the sums, and what to leave out; `can_measure`: whether a calibration has units to do."""
    table = aligned(HEAD, map(_cells, expected.stages), numbers=HEAD[1:])
    if any(row.to_do for row in expected.stages):
        return "\n".join([table, "", *_outlook(expected, can_measure=can_measure)])
    failed = sum(row.failed for row in expected.stages)
    again = f", {failed} without a result: `bitlens run` with --retry-failed does those again" if failed else ""
    return f"{table}\n\nall is done{again}"


def _cells(row: StageRow) -> list[str]:
    counts = [row.kind, str(row.total), str(row.done), str(row.failed), str(row.to_do)]
    if not row.to_do:
        return [*counts, "", ""]
    if row.hours is None or row.gigabytes is None:
        return [*counts, UNKNOWN, UNKNOWN]
    return [*counts, duration(3600 * row.hours), size(1e9 * row.gigabytes)]


def _outlook(expected: Estimate, *, can_measure: bool) -> Iterator[str]:
    if expected.hours:
        yield (
            f"{'more than' if expected.unknown else 'about'} {duration(3600 * expected.hours)} with "
            f"{counted(expected.workers, 'worker')}, and {size(1e9 * expected.gigabytes)} "
            "(the stages' times are those of one worker or board)"
        )
    if expected.unknown:
        shown = ", ".join(expected.unknown[:5]) + (", ..." if len(expected.unknown) > 5 else "")
        missing = "not in the sum" if expected.hours else "how long it takes is not known yet"
        yield f"{missing}, because nothing like it has been done: {shown}"
        if can_measure:
            yield "  try: --calibrate, which first does two units of each sort; the run does not repeat them"
    if expected.cuts:
        yield "\nwhat costs most, in time of one worker:"
        yield from (f"  {duration(3600 * cut.hours):>8}  {cut.without}" for cut in expected.cuts)
