"""`bitlens report` and `serve`, which look at finished work: they parse, call `reports` and print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import ConfigError

if TYPE_CHECKING:
    from harness.store import StoreReader
    from harness.store.blobs import Seen

RunFolder = Annotated[Path, typer.Argument(help="Folder of a run.", metavar="RUN")]


def report(
    run: RunFolder,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    figures: Annotated[bool, typer.Option("--figures", help="Also write every figure as SVG, PNG and CSV.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Also print the table for a pull request.")] = False,
    claims: Annotated[
        bool, typer.Option("--claims", help="Also print what the run says about the paper's claims.")
    ] = False,
) -> None:
    """Write the CSV files and the HTML page of a run again."""
    from harness.store.integrity import AGAIN
    from reports.write import write_report

    _check_is_run(run)
    seen: Seen = {}
    written = write_report(run, seen=seen)
    print(f"{written.verdict()}table   {written.table}\nreport  {written.page}")
    if figures:
        from reports.export import write_figures

        print(f"figures {run / 'figures'} ({len(write_figures(run, seen=seen))} files)")
    if markdown or claims:
        _print_markdown(run, comparison=markdown, claims=claims, seen=seen)
    if open_page:
        typer.launch(written.page.resolve().as_uri())
    written.check(run, hint=AGAIN)


def serve(
    runs: Annotated[Path, typer.Argument(help="A folder of runs, or one run.", metavar="RUNS/")] = Path("runs"),
    port: Annotated[
        int, typer.Option(help="Port on the loopback address; 0 takes a free one.", min=0, max=65_535)
    ] = 8765,
    open_page: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Browse runs, live while one is running. Only you, on this machine, can read them.

    The printed address is a key: whoever knows it can read the runs.
    """
    from harness.store.folder import output_errors_explained
    from reports.page.serve import RunsServer

    with output_errors_explained(f'serve: "{runs}"', reading=True):
        if not runs.is_dir():
            raise ConfigError(f'serve: expected a folder of runs, found no folder "{runs}"')
        next(runs.iterdir(), None)
    try:
        with RunsServer(runs, port) as server:
            print(f"serving {runs} at {server.address} (Ctrl-C ends; the address is a key, keep it)", flush=True)
            if open_page:
                typer.launch(server.address)
            server.serve()
    except KeyboardInterrupt:
        return
    except (OSError, OverflowError) as error:
        raise ConfigError(f"serve: port {port}: {getattr(error, 'strerror', error)}", hint="--port 0") from None


def _print_markdown(run: Path, *, comparison: bool, claims: bool, seen: Seen) -> None:
    from harness.store import read_store
    from reports.comparing.markdown import claims_markdown, comparison_markdown

    def text(store: StoreReader) -> str:
        return (comparison_markdown(store) if comparison else "") + (claims_markdown(store) if claims else "")

    print(read_store(run, text, seen=seen), end="")


def _check_is_run(folder: Path) -> None:
    """Before a folder is made for what would be written into it."""
    from harness.store.folder import DATABASE
    from harness.store.opening import database_of

    if not os.path.lexists(folder / DATABASE):
        raise ConfigError(f'"{folder}": expected the folder of a run, found no store.sqlite in it', hint="runs/demo")
    database_of(folder)
