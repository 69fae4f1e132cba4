"""A run is killed at random moments, in part or as a whole, and goes on: its store ends as that of an undisturbed one.

    python -m tests.fuzz.kills --count 40 --seed 0 [--folder FOLDER]

A quarter of the kills strikes a worker as soon as its process appears, a quarter a worker at a random moment, and the
rest the coordinator, five of forty while it writes the report. The same command then goes on; whenever it comes to its
end, its store is compared, and a new run begins. Prints how many there were of each; exits with 1 if a store differs.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.harness.execution.twins import SMALL, written
from tests.same_store import assert_same_store

ROOT = Path(__file__).parents[2]
TURN_SECONDS = 0.005  # between two looks at who is there
MOMENT_SECONDS = 15.0  # until when a run of half a minute is struck
REPORT_SECONDS = 2.0  # of the time that a report takes
END_SECONDS = 60.0  # in which workers must have ended after their coordinator
AT_START, WORKER, COORDINATOR, REPORT = (
    "worker at its start",
    "worker",
    "coordinator",
    "coordinator, writing the report",
)
Life = list[str]  # what is struck in one process of the coordinator: the last one ends it


class Run:
    """A run in a process of its own, to be struck. Each kill returns False if the run ended before."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._seen: set[int] = set()  # workers that have appeared

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(self.process.stderr)

    def workers(self) -> set[int]:
        """The processes of workers that are there, however new."""
        found = set()
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.NoSuchProcess):
                    if "spawn_main" in " ".join(child.cmdline()):
                        found.add(child.pid)
        return found

    def kill_worker_at_its_start(self, moments: random.Random) -> bool:
        newcomers: set[int] = set()

        def has_appeared() -> bool:
            newcomers.update(self.workers() - self._seen)
            return bool(newcomers)

        if not self._until(has_appeared):
            return False
        self._seen |= newcomers
        return any([_killed(pid) for pid in newcomers])  # noqa: C419  # every one of them

    def kill_worker(self, moments: random.Random) -> bool:
        if not (self._until(self.workers) and self._passes(moments.uniform(0.0, MOMENT_SECONDS))):
            return False
        if not self._until(self.workers):
            return False
        self._seen |= self.workers()
        return _killed(moments.choice(sorted(self._seen & self.workers()) or [0]))

    def kill_coordinator(self, moments: random.Random) -> bool:
        return self._passes(moments.uniform(0.0, MOMENT_SECONDS)) and self._end()

    def kill_report(self, moments: random.Random) -> bool:
        """When it has planned, nothing is left to do and its workers have gone, it writes the report."""

        def is_reporting() -> bool:
            has_planned = any("units of work" in line for line in self.said)
            return has_planned and not self.workers() and nothing_is_left(self._folder)

        return self._until(is_reporting) and self._passes(moments.uniform(0.0, REPORT_SECONDS)) and self._end()

    def finish(self) -> None:
        """Wait for its end. Raises AssertionError if it failed."""
        code = self.process.wait()
        self._reader.join()
        assert code == 0, "".join(self.said[-20:])

    def _end(self) -> bool:
        """Kill the coordinator alone: its workers must notice by themselves."""
        workers = [psutil.Process(pid) for pid in self.workers() if psutil.pid_exists(pid)]
        self.process.kill()
        self.process.wait()
        _, left = psutil.wait_procs(workers, timeout=END_SECONDS)
        assert not left, f"workers outlived their coordinator: {left}"
        return self.process.returncode == -signal.SIGKILL

    def _passes(self, seconds: float) -> bool:
        """Let time pass. Returns whether the run still lasts."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)
        return self.process.poll() is None

    def _until(self, condition: Callable[[], object]) -> bool:
        while self.process.poll() is None:
            if condition():
                return True
            self._passes(TURN_SECONDS)
        return False


KILLS: dict[str, Callable[[Run, random.Random], bool]] = {
    AT_START: Run.kill_worker_at_its_start,
    WORKER: Run.kill_worker,
    COORDINATOR: Run.kill_coordinator,
    REPORT: Run.kill_report,
}


@dataclass(kw_only=True)
class Tally:
    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    finished: int = 0  # runs that came to their end, with the store of an undisturbed one
    differing: list[str] = field(default_factory=list)


def lives(count: int, moments: random.Random) -> list[Life]:
    """`count` kills, as they strike one coordinator after the other.

    At most one strikes a worker at work in each: a unit that two workers died of fails, and rightly.
    """
    quarter = max(1, count // 4)
    reports = count // 8
    ends = [REPORT] * reports + [COORDINATOR] * (count - 2 * quarter - reports)
    moments.shuffle(ends)
    made: list[Life] = [[end] for end in ends]
    for life in moments.sample(made, min(quarter, len(made))):
        life.insert(0, WORKER)
    for _ in range(quarter):
        moments.choice(made).insert(0, AT_START)
    return made


def disturb(
    command: Callable[[Path], list[str]], folder: Path, undisturbed: Path, *, count: int, moments: random.Random
) -> Tally:
    """Strike runs of `command(folder of the run)` until there were `count` kills; the last run comes to its end."""
    tally, number = Tally(), 0
    for life in lives(count, moments):
        left = list(life)
        while left:
            run = Run(command(folder / str(number)), folder / str(number))
            while left and KILLS[left[0]](run, moments):
                tally.kills[left.pop(0)] += 1
                print(f"{sum(tally.kills.values())} of {count} kills, run {number + 1}", file=sys.stderr, flush=True)
            if left:  # it came to its end, or a worker did just before it was struck
                _compare(run, folder / str(number), undisturbed, tally)
                number += 1
    last = folder / str(number)
    _compare(Run(command(last), last), last, undisturbed, tally)
    return tally


def nothing_is_left(folder: Path) -> bool:
    """Whether every planned unit is stored, asked beside the run that does them."""
    with closing(sqlite3.connect(f"file:{folder}/store.sqlite?mode=ro", uri=True)) as database:
        query = "SELECT count(*) FROM planned p LEFT JOIN unit u USING (key) WHERE u.key IS NULL"
        return bool(database.execute(query).fetchone()[0] == 0)


def _compare(run: Run, folder: Path, undisturbed: Path, tally: Tally) -> None:
    try:
        run.finish()
        assert_same_store(undisturbed, folder)
        tally.finished += 1
    except AssertionError as error:
        tally.differing.append(f"{folder}: {error}")


def _killed(pid: int) -> bool:
    """Whether there was such a process to be killed."""
    try:
        os.kill(pid, signal.SIGKILL) if pid else None
    except ProcessLookupError:
        return False
    return bool(pid)


def bitlens_run(experiment: Path, folder: Path, *, workers: int = 2) -> list[str]:
    """The command as a user gives it."""
    command = [sys.executable, "-m", "harness.cli.main", "run", str(experiment), "--out", str(folder)]
    return [*command, "--workers", str(workers)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the runs are kept; by default they are not")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        experiment = written(folder, SMALL)
        whole = folder / "undisturbed"
        Run(bitlens_run(experiment, whole, workers=0), whole).finish()
        tally = disturb(
            lambda run: bitlens_run(experiment, run),
            folder,
            whole,
            count=options.count,
            moments=random.Random(options.seed),
        )
    for kind in KILLS:
        print(f"{kind:<36}{tally.kills[kind]:>4}")
    print(f"{'runs that ended as the undisturbed':<36}{tally.finished:>4}")
    print("\n".join(tally.differing) or "no store differs")
    return 1 if tally.differing else 0


if __name__ == "__main__":
    sys.exit(main())
