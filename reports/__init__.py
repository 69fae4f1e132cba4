"""Reports: tables, figures and one HTML page, made from the store of a run and from nothing else.

They measure nothing and know no model, device or format; two reports of one store are equal.
Called by the command line, which names a run folder.
"""

from __future__ import annotations

from pathlib import Path


def write(run_folder: Path) -> tuple[Path, Path]:
    """Write comparison.csv, its companions and report.html into the run folder. Returns the paths of these two.

    Each file is written beside its place and renamed, so that a reader never sees half of one.
    """
    from reports.files import write_report  # pandas and the charts take a second to import

    return write_report(run_folder)
