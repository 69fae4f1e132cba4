"""Progress for people: a bar for each stage on a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class StageProgress(Protocol):
    """What a stage's bar can be told."""

    def working_on(self, what: str, share: float) -> None:
        """The unit in hand and how much of it is done, 0 … 1."""
        ...

    def finished_one(self, what: str) -> None: ...


@contextmanager
def stage_progress(title: str, total: int) -> Iterator[StageProgress]:
    """A bar or lines for `total` units, shown while the block runs."""
    if sys.stderr.isatty():
        with _bar(title, total) as bar:
            yield bar
    else:
        yield _Lines(title, total)


class _Lines:
    """One line for each finished unit."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total, self._done, self._began = title, total, 0, time.monotonic()

    def working_on(self, what: str, share: float) -> None:
        """Lines cannot be redrawn: only finished units are worth one."""

    def finished_one(self, what: str) -> None:
        self._done += 1
        seconds, self._began = time.monotonic() - self._began, time.monotonic()
        print(f"{self._title} {self._done}/{self._total}: {what} ({seconds:.1f} s)", file=sys.stderr, flush=True)


@contextmanager
def _bar(title: str, total: int) -> Iterator[StageProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, what="")

        class Bar:
            done = 0

            def working_on(self, what: str, share: float) -> None:
                progress.update(task, completed=self.done + share, what=what)

            def finished_one(self, what: str) -> None:
                self.done += 1
                progress.update(task, completed=self.done, what="" if self.done == total else what)

        yield Bar()
