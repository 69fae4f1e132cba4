"""Progress for people: a bar for each stage on a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

LINE_SECONDS = 1.0  # of the units of one stage that end within this time, one is worth a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a stage stands when a command begins: `doing` is what a person reads."""

    doing: str
    total: int
    done: int
    failed: int


class RunProgress(Protocol):
    """What is told while units are done."""

    def working_on(self, kind: str, what: str, share: float) -> None:
        """A unit in hand and how much of it is done, 0 … 1."""
        ...

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None: ...


@contextmanager
def run_progress(stages: Mapping[str, Tally]) -> Iterator[RunProgress]:
    """Bars or lines for the stages, shown while the block runs."""
    if sys.stderr.isatty():
        with _bars(stages) as bars:
            yield bars
    else:
        yield _Lines(stages)


def duration(seconds: float) -> str:
    """In the unit that a person would use: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class _Stage:
    """Counts of one stage, and the rate at which its units end."""

    def __init__(self, tally: Tally) -> None:
        self.doing, self.total, self.done, self.failed = tally.doing, tally.total, tally.done, tally.failed
        self._before, self._began = tally.done, 0.0
        self.said = 0.0

    def begin(self) -> None:
        self._began = self._began or time.monotonic()

    def count(self, *, failed: bool) -> None:
        self.done += 1
        self.failed += failed

    def pace(self) -> str:
        """ "42/min, 3 min left, 1 failed": what can be said so far."""
        seconds, here = time.monotonic() - self._began, self.done - self._before
        words = []
        if here and seconds > 0 and self.done < self.total:
            words += [f"{60 * here / seconds:.0f}/min", f"{duration((self.total - self.done) * seconds / here)} left"]
        return ", ".join([*words, *([f"{self.failed} failed"] if self.failed else [])])


class _Lines:
    """A line for each finished unit that took a while, and for the last of a stage."""

    def __init__(self, stages: Mapping[str, Tally]) -> None:
        self._stages = {kind: _Stage(tally) for kind, tally in stages.items()}

    def working_on(self, kind: str, what: str, share: float) -> None:
        """Lines cannot be redrawn: only finished units are worth one."""
        self._stages[kind].begin()

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None:
        stage, now = self._stages[kind], time.monotonic()
        stage.begin()
        stage.count(failed=failed)
        if now - stage.said < LINE_SECONDS and stage.done < stage.total:
            return
        stage.said = now
        pace = f"; {stage.pace()}" if stage.pace() else ""
        print(f"{stage.doing} {stage.done}/{stage.total}: {what} ({seconds:.1f} s{pace})", file=sys.stderr, flush=True)


@contextmanager
def _bars(stages: Mapping[str, Tally]) -> Iterator[RunProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress, stages)


class _Bars:
    """A bar appears with the first unit of its stage."""

    def __init__(self, progress: Any, stages: Mapping[str, Tally]) -> None:
        self._progress = progress
        self._stages = {kind: _Stage(tally) for kind, tally in stages.items()}
        self._tasks: dict[str, Any] = {}

    def working_on(self, kind: str, what: str, share: float) -> None:
        self._stages[kind].begin()
        self._show(kind, what, share)

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None:
        stage = self._stages[kind]
        stage.begin()
        stage.count(failed=failed)
        self._show(kind, "" if stage.done >= stage.total else what, 0.0)

    def _show(self, kind: str, what: str, share: float) -> None:
        stage = self._stages[kind]
        if kind not in self._tasks:
            self._tasks[kind] = self._progress.add_task(stage.doing, total=stage.total, what="", pace="")
        self._progress.update(self._tasks[kind], completed=stage.done + share, what=what, pace=stage.pace())
