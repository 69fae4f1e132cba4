"""Progress for people: a bar for each stage on a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

COUNT_SECONDS = 5.0  # between two lines on one thing that takes long
LINE_SECONDS = 1.0  # of the units of one stage that end within this time, one is worth a line
ESTIMATE_SECONDS = 3600.0  # how far back a bar's rate looks: a unit may take many minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a stage stands when a command begins: `doing` is what a person reads."""

    doing: str
    total: int
    done: int
    failed: int


class RunProgress(Protocol):
    """What is reported while units are done."""

    def working_on(self, kind: str, what: str, fraction: float) -> None:
        """A unit in hand and how much of it is done, 0 … 1."""
        ...

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None: ...


@contextmanager
def run_progress(stages: Mapping[str, Tally]) -> Iterator[RunProgress]:
    """Bars or lines for the stages, shown while the block runs."""
    if not sys.stderr.isatty():
        yield _Lines(stages)
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failures]}"),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=ESTIMATE_SECONDS) as progress:
        yield _Bars(progress, stages)


@contextmanager
def count_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, of) for single things that take long: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _Counted().report
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def report(what: str, done: int, of: int) -> None:
            if what not in bars:
                for bar in bars.values():
                    progress.update(bar, visible=False)
                bars[what] = progress.add_task(what, total=of)
            progress.update(bars[what], completed=done, total=of, visible=done < of)

        yield report


class _Counted:
    """Lines for what takes longer than COUNT_SECONDS."""

    def __init__(self) -> None:
        self._what, self._began, self._said_at, self._before = "", 0.0, 0.0, 0

    def report(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._said_at, self._before = what, now, now, done
        elif now - self._said_at >= COUNT_SECONDS and self._before < done < of:
            self._said_at = now
            left = (of - done) * (now - self._began) / (done - self._before)
            say(f"{what}: {done} of {of}, {duration(left)} left")


def say(line: str) -> None:
    """One line for whoever watches the run."""
    print(line, file=sys.stderr, flush=True)


class _Stage:
    """Counts of one stage, and the rate at which its units end."""

    def __init__(self, tally: Tally) -> None:
        self.doing, self.total, self.done, self.failed = tally.doing, tally.total, tally.done, tally.failed
        self._before, self._began = tally.done, 0.0
        self.printed_at = 0.0

    def begin(self) -> None:
        self._began = self._began or time.monotonic()

    def pace(self) -> str:
        """ "42/min, 3 min left, 1 failed": what can be said so far."""
        seconds, here = time.monotonic() - self._began, self.done - self._before
        words = []
        if here and seconds > 0 and self.done < self.total:
            words += [f"{60 * here / seconds:.0f}/min", f"{duration((self.total - self.done) * seconds / here)} left"]
        return ", ".join([*words, *([f"{self.failed} failed"] if self.failed else [])])


class _Lines:
    """A line for each finished unit that took a while, and for the last of a stage.

    Its rate is over all units so far: unlike a bar's, it is worth something after the first one.
    """

    def __init__(self, stages: Mapping[str, Tally]) -> None:
        self._stages = {kind: _Stage(tally) for kind, tally in stages.items()}

    def working_on(self, kind: str, what: str, fraction: float) -> None:
        """Lines cannot be redrawn: only finished units are worth one."""
        self._stages[kind].begin()

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None:
        stage, now = self._stages[kind], time.monotonic()
        stage.begin()
        stage.done += 1
        stage.failed += failed
        if now - stage.printed_at < LINE_SECONDS and stage.done < stage.total:
            return
        stage.printed_at = now
        pace = f"; {stage.pace()}" if stage.pace() else ""
        say(f"{stage.doing} {stage.done}/{stage.total}: {what} ({seconds:.1f} s{pace})")


class _Bars:
    """A bar appears with the first unit of its stage."""

    def __init__(self, progress: Progress, stages: Mapping[str, Tally]) -> None:
        self._progress, self._stages = progress, stages
        self._bars: dict[str, TaskID] = {}
        self._done = {kind: tally.done for kind, tally in stages.items()}
        self._failed = {kind: tally.failed for kind, tally in stages.items()}

    def working_on(self, kind: str, what: str, fraction: float) -> None:
        self._show(kind, what, fraction)

    def finished_one(self, kind: str, what: str, *, seconds: float, failed: bool) -> None:
        self._done[kind] += 1
        self._failed[kind] += failed
        self._show(kind, "" if self._done[kind] >= self._stages[kind].total else what, 0.0)

    def _show(self, kind: str, what: str, fraction: float) -> None:
        tally = self._stages[kind]
        if kind not in self._bars:
            self._bars[kind] = self._progress.add_task(
                tally.doing, total=tally.total, completed=tally.done, what="", failures=""
            )
        bar = self._bars[kind]
        # never backwards, when another unit begins: rich counts every step forwards as speed
        completed = max(self._progress.tasks[bar].completed, self._done[kind] + fraction)
        failures = f"{self._failed[kind]} failed" if self._failed[kind] else ""
        self._progress.update(bar, completed=completed, what=what, failures=failures)


class _RateColumn(ProgressColumn):
    """Units a minute, as far as rich can tell."""

    def render(self, task: Task) -> Text:
        return Text(f"{60 * task.speed:.0f}/min" if task.speed else "")


def duration(seconds: float) -> str:
    """In the unit that a person would use: "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
