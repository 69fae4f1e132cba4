"""`bitlens convert`, the first part of a run, and `bitlens build-ops`."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.invocation import with_option
from harness.cli.options import Memory, Quiet, Verbose, Workers, listen_to, worker_config_of
from harness.errors import BitlensError, ConfigError, counted, nearest

if TYPE_CHECKING:
    from harness.experiment.experiment import Experiment

ALL = Path(__file__).parents[1] / "examples" / "convert-all.toml"
STAGES = ("conversion", "fidelity")


def convert(
    experiment: Annotated[
        Optional[Path], typer.Argument(help="The experiment file (TOML).", metavar="EXPERIMENT.toml")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every model of the catalogue in every format; random ImageNet weights.")
    ] = False,
    model: Annotated[Optional[list[str]], typer.Option(help="Only this model; may be repeated.")] = None,
    format_: Annotated[Optional[list[str]], typer.Option("--format", help="Only this format; may be repeated.")] = None,
    out: Annotated[
        Optional[Path], typer.Option(help="Folder of the run; by default runs/<name of the experiment>.")
    ] = None,
    data: Annotated[Optional[Path], typer.Option(help="Path of the data set, instead of the one in the file.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed units again.")] = False,
    workers: Workers = None,
    memory: Memory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert models, compare every artifact with its Keras model, and say what is inside.

    It is the first part of `bitlens run`, in the same folder: what is converted is not converted again.
    """
    from harness.cli import artifact_table
    from harness.execution.coordinator import run
    from harness.experiment.reader import read_experiment
    from harness.store.artifact_files import name_artifacts

    listen_to(quiet=quiet, verbose=verbose)
    if (experiment is None) != all_:
        raise ConfigError("convert: expected an experiment file, or --all", hint="bitlens convert --all")
    selected = _only(read_experiment(experiment or ALL, data=data), models=model or (), formats=format_ or ())
    folder = out or Path("runs") / selected.name
    worker_config = worker_config_of(workers=workers, memory=memory)
    summary = run(selected, folder, retry_failed=retry_failed, stages=STAGES, worker_config=worker_config)
    rows = artifact_table.rows(folder)
    print(artifact_table.as_json(rows) if as_json else artifact_table.as_text(rows))
    if not as_json:
        print(f"artifacts  {name_artifacts(folder).folder}")
    failures = summary.failed + summary.failed_before
    if failures:
        raise BitlensError(f"{counted(failures, 'unit of work')} failed", hint=with_option("--retry-failed"))


def _only(experiment: Experiment, *, models: Collection[str], formats: Collection[str]) -> Experiment:
    """The experiment with these models and formats alone; with all of them where none are named."""
    known = [model.name for model in experiment.models]
    for name in models:
        if name not in known:
            raise ConfigError(f'--model: expected a model of the experiment, got "{name}"', hint=nearest(name, known))
    for name in formats:
        if name not in experiment.formats:
            hint = nearest(name, experiment.formats)
            raise ConfigError(f'--format: expected a format of the experiment, got "{name}"', hint=hint)
    return dataclasses.replace(
        experiment,
        models=tuple(model for model in experiment.models if not models or model.name in models),
        formats=tuple(name for name in experiment.formats if not formats or name in formats),
        formats_said=bool(formats),
    )


def build_ops(
    target: Annotated[str, typer.Option(help="Target: x86_64 or aarch64; by default that of this machine.")] = "",
) -> None:
    """Build the LCE operators for a target; runs do so automatically. Prints the path of the library."""
    from harness.native import build

    print(build.library(target or build.host_target()))
