"""Runs that are killed in part and as a whole end in the store of an undisturbed one."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from harness.execution.sizing import WorkerConfig
from harness.stages.stage_table import STAGES
from tests.fuzz import kills
from tests.fuzz.kills import AT_START, COORDINATOR, REPORT, ROOT, WORKER, disturb, lives
from tests.harness.execution import simulated

UNITS, SECONDS = 40, 0.1


@pytest.mark.parametrize("count", [4, 10, 40])
def test_as_many_kills_as_were_asked_for_strike_a_quarter_of_them_at_a_start(count: int) -> None:
    made = [kind for life in lives(count, random.Random(0)) for kind in life]
    assert len(made) == count
    assert made.count(AT_START) == count // 4
    assert made.count(REPORT) == count // 8


def test_only_the_last_kill_of_a_life_strikes_the_coordinator_and_one_at_most_a_worker_at_work() -> None:
    for life in lives(40, random.Random(1)):
        assert [kind in (COORDINATOR, REPORT) for kind in life] == [False] * (len(life) - 1) + [True]
        assert life.count(WORKER) <= 1


def test_simulated_run_that_is_killed_at_four_moments_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STAGES, "simulated", simulated.STAGE)
    monkeypatch.setattr(kills, "MOMENT_SECONDS", 2.0)
    simulated.do(tmp_path / "alone", simulated.chains(UNITS, seconds=SECONDS), WorkerConfig(workers=0))
    words = [sys.executable, "-m", simulated.__name__]
    tally = disturb(
        lambda folder: [*words, str(folder), str(UNITS), "-", str(SECONDS)],
        tmp_path,
        tmp_path / "alone",
        count=4,
        moments=random.Random(0),
    )
    assert tally.differing == []
    assert tally.finished > 0
    assert (tally.kills[AT_START], tally.kills.total()) == (1, 4)


@pytest.mark.slow
def test_run_that_is_killed_at_forty_moments_ends_as_an_undisturbed_one() -> None:
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.kills"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "no store differs" in done.stdout
