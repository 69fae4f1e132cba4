"""A machine that sleeps and wakes, in part or as a whole, loses no time but that, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from harness.execution.sizing import WorkerConfig
from harness.stages.stage_table import STAGES
from tests.harness.execution.loopback import dask_on_loopback, read_until
from tests.harness.execution.simulated import STAGE, chains, do, start
from tests.same_store import assert_same_store

UNITS, SECONDS = 50, 0.1  # simulated, and how long each takes
ASLEEP_SECONDS = 2.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("alone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "simulated", STAGE)
        do(folder, chains(UNITS, seconds=SECONDS), WorkerConfig(workers=0))
    return folder


def suspend(processes: Iterable[psutil.Process], running: subprocess.Popen[str]) -> None:
    """Stop processes for a while, in which the coordinator must not end."""
    stopped = list(processes)
    for process in stopped:
        process.suspend()
    with pytest.raises(subprocess.TimeoutExpired):
        running.wait(timeout=ASLEEP_SECONDS)
    for process in stopped:
        process.resume()


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    top = psutil.Process(process.pid)
    return [top, *top.children(recursive=True)]


def test_suspended_machine_goes_on_where_it_was(tmp_path: Path, alone: Path) -> None:
    running = start(tmp_path / "run", UNITS, seconds=SECONDS)
    read_until(running, "simulating")
    suspend(tree(running), running)
    _, said = running.communicate(timeout=120)
    assert (running.returncode, "failed" in said) == (0, False), said
    assert_same_store(alone, tmp_path / "run")


def test_parts_of_a_cluster_that_are_suspended_one_after_the_other_lose_nothing(tmp_path: Path, alone: Path) -> None:
    with dask_on_loopback(tmp_path) as dask:
        running = start(tmp_path / "run", UNITS, seconds=SECONDS, address=dask.address)
        for part in (running, dask.scheduler, dask.workers[0]):
            read_until(running, "simulating")
            suspend(tree(part), running)
        _, said = running.communicate(timeout=120)
    assert (running.returncode, "failed" in said) == (0, False), said
    assert_same_store(alone, tmp_path / "run")


@pytest.mark.slow
def test_units_of_a_worker_that_sleeps_so_long_that_it_is_given_up_are_done_by_the_other(
    tmp_path: Path, alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", "1s")  # Dask waits ten heartbeats in any case: 5 s
    with dask_on_loopback(tmp_path) as dask:
        running = start(tmp_path / "run", UNITS, seconds=SECONDS, address=dask.address)
        read_until(running, "simulating")
        for process in tree(dask.workers[0]):
            process.suspend()
        _, said = running.communicate(timeout=120)
    assert (running.returncode, "failed" in said) == (0, False), said
    assert_same_store(alone, tmp_path / "run")
