"""The twins on a real scheduler and two real workers: kills in the middle change nothing of what is found."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from harness.store import Store
from tests.harness.execution.loopback import ROOT, dask_on_loopback, read_until
from tests.harness.execution.twins import TINY, WHOLE, undisturbed, written
from tests.same_store import assert_same_store


@pytest.mark.parametrize("text", [TINY, pytest.param(WHOLE, marks=pytest.mark.slow)], ids=["tiny", "whole"])
def test_twins_whose_worker_and_coordinator_were_killed_end_as_one_undisturbed_process(
    tmp_path: Path, text: str
) -> None:
    experiment = written(tmp_path, text)
    whole, folder = undisturbed(experiment), tmp_path / "disturbed"
    with dask_on_loopback(tmp_path) as dask:
        first = bitlens_run(experiment, folder, dask.address)
        read_until(first, "computing saliency")
        assert dask.kill_a_worker(random.Random(0))
        read_until(first, "scoring explanations")
        first.kill()
        first.wait()
        left = missing(folder)
        again = bitlens_run(experiment, folder, dask.address)
        _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert 0 < left < units(folder)
    assert f"{units(folder) - left} done before, {left} to do" in said
    assert_same_store(whole, folder)


def bitlens_run(experiment: Path, folder: Path, address: str) -> subprocess.Popen[str]:
    """The command as a user gives it."""
    command = [sys.executable, "-m", "harness.cli.main", "run", str(experiment), "--out", str(folder)]
    return subprocess.Popen(
        [*command, "--cluster", address], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def units(folder: Path) -> int:
    with Store(folder) as store:
        return sum(1 for _ in store.planned_units())


def missing(folder: Path) -> int:
    with Store(folder) as store:
        return sum(1 for _ in store.missing())
