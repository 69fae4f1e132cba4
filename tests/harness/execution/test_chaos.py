"""A real scheduler and two real workers on loopback, killed again and again: the store ends as an undisturbed one."""

from __future__ import annotations

import random
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness.execution.sizing import WorkerConfig
from harness.execution.worker_ledger import DEPTH
from harness.stages.stage_table import STAGES
from harness.store import Store
from tests.harness.execution.loopback import dask_on_loopback
from tests.harness.execution.simulated import STAGE, chains, do, start

SECONDS = 0.1  # of a simulated unit


@pytest.fixture(autouse=True)
def _simulated_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STAGES, "simulated", STAGE)


def wait_for_lines(process: subprocess.Popen[str], count: int) -> None:
    """Until so many units were reported, or the process ended."""
    assert process.stderr is not None
    for line in process.stderr:
        count -= line.startswith("simulating")
        if count <= 0:
            return


def wait_for_units(process: subprocess.Popen[str], count: int) -> None:
    """Until so many units were reported as done, or the process ended."""
    assert process.stderr is not None
    for line in process.stderr:
        reported = re.match(r"simulating (\d+)/", line)
        if reported and int(reported[1]) >= count:
            return


def done_in(folder: Path) -> int:
    with Store(folder) as store:
        return len(store.finished())


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
    do(tmp_path / "undisturbed", chains(40, seconds=SECONDS), WorkerConfig(workers=0))
    with dask_on_loopback(tmp_path) as dask:
        first = start(tmp_path / "disturbed", 40, seconds=SECONDS, address=dask.address)
        wait_for_lines(first, 1)
        dask.kill_a_worker(random.Random(0))
        wait_for_lines(first, 1)
        first.kill()
        first.wait()
        second = start(tmp_path / "disturbed", 40, seconds=SECONDS, address=dask.address)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 0, said
    assert ", 0 done before" not in said
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")


def test_killed_scheduler_is_one_sentence_and_another_one_goes_on(tmp_path: Path) -> None:
    do(tmp_path / "undisturbed", chains(30, seconds=SECONDS), WorkerConfig(workers=0))
    with dask_on_loopback(tmp_path) as dask:
        first = start(tmp_path / "disturbed", 30, seconds=SECONDS, address=dask.address)
        wait_for_lines(first, 1)
        dask.scheduler.kill()
        _, said = first.communicate(timeout=120)
        assert first.returncode != 0
        assert "is gone; all that was finished is kept" in said
    do(tmp_path / "disturbed", chains(30, seconds=SECONDS), WorkerConfig(workers=0))
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")


@pytest.mark.slow
def test_twenty_random_kills_change_nothing(tmp_path: Path) -> None:
    units, moments = 1400, random.Random(0)
    do(tmp_path / "undisturbed", chains(units, seconds=SECONDS), WorkerConfig(workers=0))
    kills = 0
    with dask_on_loopback(tmp_path) as dask:
        while kills < 20:
            running = start(tmp_path / "disturbed", units, seconds=SECONDS, address=dask.address)
            wait_for_lines(running, moments.randint(1, 3))
            while running.poll() is None and moments.random() < 0.6 and kills < 19:
                dask.kill_a_worker(moments)
                kills += 1
                # a unit that two killed workers had in hand would fail, and rightly: what this one had is done first
                dask.wait_for_workers()
                in_hand = len(dask.workers) * DEPTH
                wait_for_units(running, done_in(tmp_path / "disturbed") + in_hand + moments.randint(1, 10))
            if running.poll() is None:
                kills += 1
            else:
                assert running.returncode != 0, "all was done before so many kills"
            running.send_signal(signal.SIGKILL)
            running.wait()
        last = start(tmp_path / "disturbed", units, seconds=SECONDS, address=dask.address)
        _, said = last.communicate(timeout=300)
        assert last.returncode == 0, said
    assert_same_store(tmp_path / "undisturbed", tmp_path / "disturbed")
