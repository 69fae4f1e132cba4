"""`bitlens export`: the artifacts of a run as files with readable names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.errors import BitlensError, ConfigError


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a run.", metavar="RUN")],
    out: Annotated[
        Optional[Path], typer.Option(help="Folder for copies; the default is RUN/artifacts, which takes no disk space.")
    ] = None,
) -> None:
    """Write the artifacts of a run as <model>-<format>.tflite, ready for a board or another tool."""
    from harness.saying import say
    from harness.store.artifact_files import export_artifacts, name_artifacts

    written = name_artifacts(run) if out is None else export_artifacts(run, out)
    for path in written.files:
        print(path)
    for remark in written.remarks:
        say(remark)
    if written.damaged:
        raise BitlensError("\n".join(written.damaged), hint="the run's command again, which makes them again")
    if not written.files:
        raise ConfigError(f'run folder "{run}": it has no artifact yet', hint="bitlens run, or bitlens convert")
