"""`bitlens plan`: what a run will take, before it is begun. It parses and prints; `harness.plan.estimate` reckons."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.options import Memory, Workers, worker_config_of

if TYPE_CHECKING:
    from harness.plan.estimate import Estimate


def add_plan_command(app: typer.Typer) -> None:
    """Make `plan` a command of `app`."""
    app.command("plan")(plan)


def plan(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).", metavar="EXPERIMENT.toml")],
    out: Annotated[Optional[Path], typer.Option(help="Folder of the run; the default is runs/<experiment>.")] = None,
    data: Annotated[Optional[Path], typer.Option(help="The data set, instead of the path in the file.")] = None,
    calibrate: Annotated[
        bool, typer.Option(help="First do two units of each sort of which too few are done; the run need not again.")
    ] = True,
    workers: Workers = None,
    memory: Memory = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the units of an experiment, what is done, the hours and gigabytes it will take, and what costs most."""
    from harness.cpus import available_cores
    from harness.execution.coordinator import opened, perform_missing
    from harness.execution.sizing import available_bytes, size_of
    from harness.experiment.reader import read_experiment
    from harness.plan.estimate import estimate, samples

    wanted, worker_config = read_experiment(experiment, data=data), worker_config_of(workers=workers, memory=memory)
    with opened(wanted, out or Path("runs") / wanted.name) as store:
        if calibrate:
            perform_missing(store, wanted, worker_config, part=samples(store))
        size = size_of(worker_config, wanted, cores=available_cores(), available=available_bytes())
        found = estimate(store, workers=max(1, size.workers))
    print(json.dumps(dataclasses.asdict(found)) if as_json else as_text(found))


def as_text(found: Estimate) -> str:
    """A table of the stages, the sums, and what to leave out."""
    lines = [f"{'stage':<14}{'units':>9}{'done':>9}{'failed':>8}{'to do':>9}{'hours':>9}{'GB':>9}"]
    for row in found.stages:
        hours, size = (f"{value:.2f}" if value is not None else "?" for value in (row.hours, row.gigabytes))
        lines.append(f"{row.kind:<14}{row.total:>9}{row.done:>9}{row.failed:>8}{row.to_do:>9}{hours:>9}{size:>9}")
    if not any(row.to_do for row in found.stages):
        failed = sum(row.failed for row in found.stages)
        again = f", {failed} without a result: `bitlens run` with --retry-failed does those again" if failed else ""
        return "\n".join([*lines, f"\nall is done{again}"])
    lines.append(
        f"\nabout {found.hours:.2f} hours with {found.workers} worker{'s' * (found.workers > 1)}, "
        f"and {found.gigabytes:.2f} GB (the stages' hours are those of one worker or board)"
    )
    if found.unknown:
        shown = ", ".join(found.unknown[:5]) + (", ..." if len(found.unknown) > 5 else "")
        lines.append(f"not in the sum, because nothing like it was done yet: {shown}")
    if found.cuts:
        lines.append("\nwhat costs most, in hours of one worker:")
        lines += [f"  {cut.hours:8.2f}  {cut.without}" for cut in found.cuts]
    return "\n".join(lines)
