"""A real scheduler and two real workers on loopback, killed again and again: the store ends as an undisturbed one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from harness.stages import STAGES
from harness.store import Store
from harness.team import Team
from tests.harness.simulated import STAGE, chains, do

ROOT = Path(__file__).parents[2]
SECONDS = 0.1  # of a simulated unit


@pytest.fixture(autouse=True)
def _simulated_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "simulated", STAGE)


class DaskOnLoopback:
    """`dask scheduler` and two `dask worker` as a user starts them, nannies and all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.address = self._address()
        self.workers = [self.start_worker() for _ in range(2)]

    def start_worker(self) -> subprocess.Popen[str]:
        options = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self._folder))
        return self._start("worker", self.address, *options)

    def kill_a_worker(self, moments: random.Random) -> None:
        """The process that does the work; its nanny starts another one."""
        nanny = moments.choice(self.workers)
        for child in psutil.Process(nanny.pid).children():
            if "spawn_main" in " ".join(child.cmdline()) or "forkserver" in " ".join(child.cmdline()):
                child.kill()

    def close(self) -> None:
        for process in [*self.workers, self.scheduler]:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
            process.kill()
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _address(self) -> str:
        assert self.scheduler.stderr is not None
        for line in self.scheduler.stderr:
            if "Scheduler at:" in line:
                return line.split()[-1]
        raise AssertionError("the scheduler did not say where it is")


@contextmanager
def dask_on_loopback(folder: Path) -> Iterator[DaskOnLoopback]:
    dask = DaskOnLoopback(folder)
    try:
        yield dask
    finally:
        dask.close()


def coordinator(folder: Path, units: int, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.harness.simulated", str(folder), str(units), address, str(SECONDS)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_lines(process: subprocess.Popen[str], count: int) -> None:
    """Until so many units were reported, or the process ended."""
    assert process.stderr is not None
    for line in process.stderr:
        count -= line.startswith("simulating")
        if count <= 0:
            return


def assert_same_store(one: Path, other: Path) -> None:
    with Store(one) as first, Store(other) as second:
        for unit, again in zip(first.planned_units(), second.planned_units(), strict=True):
            assert (unit.key, unit.status, unit.reason, unit.result) == (
                again.key,
                again.status,
                again.reason,
                again.result,
            )
            assert first.scores(unit.key) == second.scores(unit.key)
            assert second.is_intact(again.result["blob"])


def test_killed_worker_and_coordinator_change_nothing(tmp_path: Path) -> None:
    do(tmp_path / "undisturbed", chains(40, seconds=SECONDS), Team(workers=0))
    with dask_on_loopback(tmp_path) as dask:
        first = coordinator(tmp_path / "disturbed", 40, dask.address)
        wait_for_lines(first, 1)
        dask.kill_a_worker(random.Random(0))
        wait_for_lines(first, 1)
        first.kill()
        first.wait()
        second = coordinator(tmp_path / "disturbed", 40, dask.address)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 0, said
    assert ", 0 done before" not in said
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")


def test_killed_scheduler_is_one_sentence_and_another_one_goes_on(tmp_path: Path) -> None:
    do(tmp_path / "undisturbed", chains(30, seconds=SECONDS), Team(workers=0))
    with dask_on_loopback(tmp_path) as dask:
        first = coordinator(tmp_path / "disturbed", 30, dask.address)
        wait_for_lines(first, 1)
        dask.scheduler.kill()
        _, said = first.communicate(timeout=120)
        assert first.returncode != 0
        assert "is gone; all that was finished is kept" in said
    do(tmp_path / "disturbed", chains(30, seconds=SECONDS), Team(workers=0))
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")


@pytest.mark.slow
def test_twenty_random_kills_change_nothing(tmp_path: Path) -> None:
    units, moments = 400, random.Random(0)
    do(tmp_path / "undisturbed", chains(units, seconds=SECONDS), Team(workers=0))
    kills = 0
    with dask_on_loopback(tmp_path) as dask:
        while kills < 20:
            running = coordinator(tmp_path / "disturbed", units, dask.address)
            wait_for_lines(running, moments.randint(1, 3))
            while running.poll() is None and moments.random() < 0.6 and kills < 19:
                dask.kill_a_worker(moments)
                kills += 1
                wait_for_lines(running, moments.randint(1, 3))
            if running.poll() is None:
                kills += 1
            running.send_signal(signal.SIGKILL)
            running.wait()
        last = coordinator(tmp_path / "disturbed", units, dask.address)
        _, said = last.communicate(timeout=300)
        assert last.returncode == 0, said
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")
