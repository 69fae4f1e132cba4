"""Progress for people: bars on a terminal, plain lines where there is none; above all, how far the whole run is."""

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

from harness.execution.outlook import Outlook
from harness.saying import detail, duration, is_shown, say
from harness.stages.unit_spec import describe
from harness.store.units import Unit
from harness.terminal import takes_lines_alone

COUNT_SECONDS = 5.0  # between two lines on one thing that takes long
LINE_SECONDS = 1.0  # of the units of one stage that end within this time, one is worth a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a stage stands when a command begins: `doing` is what a person reads."""

    doing: str
    total: int
    done: int
    failed: int


class RunProgress(Protocol):
    """What is reported while units are done."""

    def began(self, unit: Unit) -> None: ...

    def working_on(self, unit: Unit, what: str, fraction: float) -> None:
        """A unit in hand, what is done for it, and how much of it is done, 0 … 1."""
        ...

    def finished_one(self, unit: Unit, *, seconds: float, failed: bool) -> None: ...

    def put_back(self, unit: Unit, *, comes_again: bool) -> None:
        """It was not done after all, and is done again in this run or left for another."""
        ...


@contextmanager
def run_progress(stages: Mapping[str, Tally], outlook: Outlook) -> Iterator[RunProgress]:
    """Bars or lines for the stages, shown while the block runs."""
    if takes_lines_alone(sys.stderr) or not is_shown():
        yield _Lines(stages, outlook)
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failures]}"),
        _WhatColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield _Bars(progress, stages, outlook)


@contextmanager
def count_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, of) for single things that take long: a bar on a terminal, else a line now and then."""
    if takes_lines_alone(sys.stderr) or not is_shown():
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


class _Run:
    """Counts of all units together, and the time that is left; every unit is a line for who asked for more."""

    def __init__(self, stages: Mapping[str, Tally], outlook: Outlook) -> None:
        self._stages, self._outlook = stages, outlook
        self._done = {kind: tally.done for kind, tally in stages.items()}
        self._failed = {kind: tally.failed for kind, tally in stages.items()}
        self._total = sum(tally.total for tally in stages.values())

    def began(self, unit: Unit) -> None:
        self._outlook.began(unit)
        detail(f"begins: {self._stages[unit.kind].doing}, {describe(unit)}")

    def put_back(self, unit: Unit, *, comes_again: bool) -> None:
        self._outlook.ended(unit, comes_again=comes_again)

    def _count(self, unit: Unit, *, seconds: float, failed: bool) -> None:
        self._done[unit.kind] += 1
        self._failed[unit.kind] += failed
        self._outlook.ended(unit, seconds=seconds, is_done=not failed)

    def _line(self, unit: Unit, seconds: float) -> str:
        """ "measuring latency 1/6: one on pi (1.4 s; in all 31 of 60, about 3 min left, 1 failed)"."""
        tally, done = self._stages[unit.kind], self._done[unit.kind]
        return f"{tally.doing} {done}/{tally.total}: {describe(unit)} ({duration(seconds)}; in all {self._in_all()})"

    def _in_all(self) -> str:
        done, failed = sum(self._done.values()), sum(self._failed.values())
        words = [f"{done:,} of {self._total:,}", self._outlook.as_text(), f"{failed:,} failed" if failed else ""]
        return ", ".join(filter(None, words))


class _Lines(_Run):
    """A line for each finished unit that took a while, and for the last of a stage."""

    def __init__(self, stages: Mapping[str, Tally], outlook: Outlook) -> None:
        super().__init__(stages, outlook)
        self._said_at = dict.fromkeys(stages, 0.0)

    def working_on(self, unit: Unit, what: str, fraction: float) -> None:
        """Lines cannot be redrawn: only finished units are worth one."""

    def finished_one(self, unit: Unit, *, seconds: float, failed: bool) -> None:
        self._count(unit, seconds=seconds, failed=failed)
        now, is_last = time.monotonic(), self._done[unit.kind] >= self._stages[unit.kind].total
        is_due = is_last or now - self._said_at[unit.kind] >= LINE_SECONDS
        (say if is_due else detail)(self._line(unit, seconds))
        if is_due:
            self._said_at[unit.kind] = now


class _Bars(_Run):
    """A bar for the whole run, and one for each stage from its first unit on."""

    def __init__(self, progress: Progress, stages: Mapping[str, Tally], outlook: Outlook) -> None:
        super().__init__(stages, outlook)
        self._progress = progress
        self._bars: dict[str, TaskID] = {}
        self._whole = progress.add_task("the whole run", total=self._total, what=outlook.as_text, failures="")
        self._show_whole()

    def working_on(self, unit: Unit, what: str, fraction: float) -> None:
        self._show(unit.kind, what, fraction)

    def finished_one(self, unit: Unit, *, seconds: float, failed: bool) -> None:
        self._count(unit, seconds=seconds, failed=failed)
        detail(self._line(unit, seconds))
        is_last = self._done[unit.kind] >= self._stages[unit.kind].total
        self._show(unit.kind, "" if is_last else describe(unit), 0.0)

    def _show(self, kind: str, what: str, fraction: float) -> None:
        tally = self._stages[kind]
        if kind not in self._bars:
            self._bars[kind] = self._progress.add_task(
                tally.doing, total=tally.total, completed=tally.done, what="", failures=""
            )
        bar = self._bars[kind]
        # never backwards, when another unit begins
        completed = max(self._progress.tasks[bar].completed, self._done[kind] + fraction)
        self._progress.update(bar, completed=completed, what=what, failures=_failures(self._failed[kind]))
        self._show_whole()

    def _show_whole(self) -> None:
        done, failed = sum(self._done.values()), sum(self._failed.values())
        self._progress.update(self._whole, completed=done, failures=_failures(failed))


class _WhatColumn(ProgressColumn):
    """What is done now; for the whole run the time that is left, which changes while nothing ends."""

    def render(self, task: Task) -> Text:
        what: str | Callable[[], str] = task.fields["what"]
        return Text(what if isinstance(what, str) else what())


def _failures(count: int) -> str:
    return f"{count:,} failed" if count else ""
