"""The command line. It parses arguments, calls the function that does the work, and turns errors into sentences."""

from __future__ import annotations

import os
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.convert import add_convert_commands
from harness.cli.devices import bench, device_app, doctor
from harness.cli.explain import add_explain_command
from harness.cli.options import Cluster, Memory, StorageUrl, Workers, worker_config_of
from harness.cli.plan import add_plan_command
from harness.cli.reports import add_report_commands
from harness.errors import BitlensError
from harness.execution.sizing import WorkerConfig

EXAMPLES = Path(__file__).parents[1] / "examples"

app = typer.Typer(
    name="bitlens",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which model, in which format, on which board: how accurate, how fast, and how well explained?\n\n"
    "Start with `bitlens demo`: it needs nothing and takes about two minutes.",
)


class What(str, Enum):
    """What `bitlens list` can show: the names of harness.cli.listing.LISTS, and the layers of one model."""

    models = "models"
    formats = "formats"
    methods = "methods"
    layers = "layers"
    metrics = "metrics"
    datasets = "datasets"
    runtimes = "runtimes"


Out = Annotated[Optional[Path], typer.Option(help="Folder of the run; the default is runs/<name of the experiment>.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Do failed units again; done ones stay done.")]


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error as well.")] = False,
) -> None:
    if debug:
        os.environ["BITLENS_DEBUG"] = "1"


@app.command("run")
def run_experiment(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).", metavar="EXPERIMENT.toml")],
    out: Out = None,
    data: Annotated[
        Optional[Path], typer.Option(help="Where the data set is, instead of the path in the file.")
    ] = None,
    retry_failed: RetryFailed = False,
    workers: Workers = None,
    memory: Memory = None,
    cluster: Cluster = None,
    storage: StorageUrl = None,
) -> None:
    """Convert, measure, explain and report what the experiment file asks for.

    A run that was stopped, by whatever, is continued by the same command; a complete one is not done again.
    """
    worker_config = worker_config_of(workers=workers, memory=memory, cluster=cluster, storage=storage)
    _run(experiment, out, data=data, retry_failed=retry_failed, worker_config=worker_config)


@app.command()
def demo(out: Out = None, workers: Workers = None) -> None:
    """Run the built-in experiment: our twin networks, float and binarized, on generated images. No download."""
    _run(EXAMPLES / "demo.toml", out, worker_config=worker_config_of(workers=workers))


@app.command("list")
def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    model: Annotated[Optional[str], typer.Argument(help="Whose `layers`: a catalogue name, or a Keras file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List what an experiment file may name. Only `layers` builds a network; the others answer at once."""
    from harness.cli import listing, text

    rows = listing.layers(model) if what is What.layers else listing.LISTS[what.value]()
    print(text.as_json(rows) if as_json else text.as_table(rows))


@app.command("build-ops")
def build_ops(
    target: Annotated[str, typer.Option(help="x86_64 or aarch64; the default is this machine's.")] = "",
) -> None:
    """Build the LCE operators for a target by hand; runs do so by themselves. Prints where the library is."""
    from harness.native import build

    print(build.library(target or build.host_target()))


add_convert_commands(app)
add_explain_command(app)
add_plan_command(app)
add_report_commands(app)
app.add_typer(device_app, name="device")
app.command()(bench)
app.command()(doctor)


def _run(
    path: Path, out: Path | None, *, worker_config: WorkerConfig, data: Path | None = None, retry_failed: bool = False
) -> None:
    from harness.execution.coordinator import run
    from harness.experiment.reader import read_experiment

    experiment = read_experiment(path, data=data)
    folder = out or Path("runs") / experiment.name
    summary = run(experiment, folder, retry_failed=retry_failed, worker_config=worker_config)
    from reports import write

    table, page = write(folder)
    print(f"table   {table}\nreport  {page}")
    failures = summary.failed + summary.failed_before
    if failures:
        raise BitlensError(
            f"{failures} units of work failed; the report says why", hint="the same command with --retry-failed"
        )


def run_command_line() -> None:
    """Run the command; a mistake is one sentence and exit code 2, a failure one sentence and exit code 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up banner is not our news
    try:
        app()
    except KeyboardInterrupt:
        command = shlex.join(["bitlens", *sys.argv[1:]])
        print(f"\nbitlens: stopped; all that was finished is kept\n  try: {command}", file=sys.stderr)
        raise SystemExit(130) from None
    except BitlensError as error:
        if os.environ.get("BITLENS_DEBUG"):
            raise
        print(f"bitlens: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
