"""`bitlens run` and `bitlens demo`: an experiment, from its file to its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.cli.invocation import as_typed, from_anywhere, with_option
from harness.cli.options import (
    CaFile,
    Cert,
    Cluster,
    Key,
    Memory,
    Quiet,
    StorageUrl,
    Verbose,
    Workers,
    listen_to,
    worker_config_of,
)
from harness.errors import BitlensError, counted
from harness.execution.certificates import Certificates
from harness.execution.sizing import WorkerConfig

if TYPE_CHECKING:
    from harness.execution.coordinator import RunSummary
    from reports.written import Report

DEMO = Path(__file__).parents[1] / "examples" / "demo.toml"

RETRY = "--retry-failed"

Out = Annotated[Optional[Path], typer.Option(help="Folder of the run; by default runs/<name of the experiment>.")]
Retry = Annotated[bool, typer.Option(RETRY, help="Run failed units again; completed ones are kept.")]


def run(
    experiment: Annotated[Path, typer.Argument(help="The experiment file (TOML).", metavar="EXPERIMENT.toml")],
    out: Out = None,
    data: Annotated[Optional[Path], typer.Option(help="Path of the data set, instead of the one in the file.")] = None,
    retry_failed: Retry = False,
    workers: Workers = None,
    memory: Memory = None,
    cluster: Cluster = None,
    tls_ca_file: CaFile = None,
    tls_cert: Cert = None,
    tls_key: Key = None,
    storage: StorageUrl = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Convert, measure, explain and report what the experiment file asks for.

    The same command continues a run that was stopped for any reason; a complete run is not repeated.
    """
    listen_to(quiet=quiet, verbose=verbose)
    certificates = Certificates(ca_file=tls_ca_file, cert=tls_cert, key=tls_key)
    worker_config = worker_config_of(
        workers=workers, memory=memory, cluster=cluster, certificates=certificates, storage=storage
    )
    _run(experiment, out, data=data, retry_failed=retry_failed, worker_config=worker_config)


def demo(
    out: Out = None,
    retry_failed: Retry = False,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run the built-in experiment: our twin models, float and binarized, on generated images. No download."""
    listen_to(quiet=quiet, verbose=verbose)
    _run(DEMO, out, retry_failed=retry_failed, worker_config=worker_config_of(workers=workers))


def _run(
    path: Path, out: Path | None, *, worker_config: WorkerConfig, data: Path | None = None, retry_failed: bool = False
) -> None:
    from harness.execution import coordinator
    from harness.experiment.reader import read_experiment
    from harness.saying import record
    from harness.store.folder import removed_if_refused
    from harness.store.run_log import logged
    from reports.written import check_output, current_report

    experiment = read_experiment(path, data=data)
    folder = out or Path("runs") / experiment.name
    with removed_if_refused(folder):
        check_output(folder)
        summary = coordinator.run(
            experiment, folder, retry_failed=retry_failed, worker_config=worker_config, command=from_anywhere()
        )
    with logged(folder):
        _name_artifacts(folder)
        written = current_report(folder) or _report(folder)
        result = f"{written.verdict()}table   {written.table}\nreport  {written.page}"
        print(f"\n{result}")
        record(result)
        written.check(folder, hint=as_typed())
        _check_all_is_done(summary)


def _check_all_is_done(summary: RunSummary) -> None:
    """Raises BitlensError where units failed, or wait."""
    failures = summary.failed + summary.failed_before
    left = [f"{counted(failures, 'unit of work')} failed"] * bool(failures)
    wait = "waits" if summary.away == 1 else "wait"
    left += [f"{counted(summary.away, 'unit of work')} {wait} for boards that are away"] * bool(summary.away)
    if left:
        hint = with_option(RETRY) if failures else f"{as_typed()}, once they are back"
        raise BitlensError(f"{', and '.join(left)}; the report says why", hint=hint)


def _report(folder: Path) -> Report:
    from reports.write import write_report  # with what makes tables and charts

    return write_report(folder)


def _name_artifacts(folder: Path) -> None:
    """What cannot be done here spoils no run: `bitlens export` says it again."""
    from harness.saying import say
    from harness.store.artifact_files import name_artifacts

    try:
        for remark in name_artifacts(folder).remarks:
            say(remark)
    except BitlensError as error:
        say(str(error))
