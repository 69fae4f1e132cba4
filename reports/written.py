"""The files of a report in a run's folder, and whether they are still what would be written now.

The last line of the page is a seal: a digest of the store, of the code that makes reports, and of the files themselves.
A report is a pure function of the first two, so that where the seal fits, writing it again would not change a byte. A
run that had nothing to do stops there, and pandas, SciPy and Altair are never imported.
"""

from __future__ import annotations

import hashlib
import stat
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from harness.store import DamagedRun, StoreReader, read_store
from harness.store.folder import check_writable_files
from reports.data.words import shortened

TABLES = ("comparison", "quality", "latency_samples", "devices")
PAGE = "report.html"
VERDICT = "verdict.txt"
_FILES = (*(f"{table}.csv" for table in TABLES), VERDICT, PAGE)
_OURS = ("reports", "harness/store", "device")  # the sources that reports are made by
_LIBRARIES = (
    *("altair", "jinja2", "markupsafe", "matplotlib", "numpy", "pandas", "pillow", "scipy"),
    "vl-convert-python",
)


class Report(NamedTuple):
    """Where the comparison and the page are, and sentences about what of the run is damaged."""

    table: Path
    page: Path
    damage: tuple[str, ...]

    def verdict(self) -> str:
        """What to deploy on each device, as the terminal shows it."""
        return self.table.with_name(VERDICT).read_text("utf-8")

    def check(self, run_folder: Path, *, hint: str) -> None:
        """Raises DamagedRun, for a report with gaps."""
        if self.damage:
            raise damaged(run_folder, self.damage, hint=hint)


def report_in(run_folder: Path, damage: tuple[str, ...] = ()) -> Report:
    return Report(run_folder / f"{TABLES[0]}.csv", run_folder / PAGE, damage)


def check_output(run_folder: Path) -> None:
    """Whether a report can be written there, before work is begun that would end in one. Raises ConfigError."""
    check_writable_files(run_folder, _FILES)


def damaged(run_folder: Path, sentences: tuple[str, ...], *, hint: str) -> DamagedRun:
    what = f'run folder "{run_folder}": its content is damaged, and what depends on it is not shown:'
    return DamagedRun(f"{what}\n{shortened(sentences)}", hint=hint)


def sealed(store: StoreReader, contents: Mapping[str, str]) -> dict[str, str]:
    """The files of a report by name, with the seal at the end of the page."""
    return {**contents, PAGE: contents[PAGE] + _seal(store, {name: text.encode() for name, text in contents.items()})}


def current_report(run_folder: Path) -> Report | None:
    """The report that is there, if nothing of it would change and nothing of the run is damaged; None otherwise."""

    def is_current(store: StoreReader) -> bool:
        contents = {name: _content(run_folder / name) for name in _FILES}
        page, newline, _ = contents[PAGE].rpartition(b"\n<!-- ")
        seal = _seal(store, {**contents, PAGE: page}).encode()
        return not store.damage and bool(newline) and contents[PAGE] == page + seal

    try:
        return report_in(run_folder) if read_store(run_folder, is_current) else None
    except OSError:  # of a file that is not there, or that is none
        return None


def _content(path: Path) -> bytes:
    if not stat.S_ISREG(path.lstat().st_mode):
        raise FileNotFoundError(path)
    return path.read_bytes()


def _seal(store: StoreReader, contents: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256(f"{store.digest()} {_code()}".encode())
    for name in _FILES:
        digest.update(f"{name} {len(contents[name])} ".encode() + contents[name])
    return f"\n<!-- {digest.hexdigest()} -->\n"


@cache
def _code() -> str:
    """A digest of all that makes a report of a store."""
    digest, root = hashlib.sha256(sys.version.encode()), Path(__file__).parents[1]
    sources = (path for folder in _OURS for path in (root / folder).rglob("*") if path.suffix not in ("", ".pyc"))
    for path in sorted((*sources, *(root / "harness").glob("*.py"))):
        digest.update(path.name.encode() + path.read_bytes())
    for library in _LIBRARIES:
        try:
            digest.update(f"{library} {version(library)}".encode())
        except PackageNotFoundError:  # a report can do without it, or says that it cannot
            continue
    return digest.hexdigest()
