"""Hostile artifacts cost at most their own job: a result or a reasoned error, in time and within the memory limit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.devices.local import LocalDevice
from tests.fuzz.mutated_flatbuffers import KINDS, SOURCES, mutated, sound

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("count", [45, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_mutated_flatbuffer_ends_in_a_result_or_a_reasoned_error(count: int) -> None:
    """In a process of its own, which forks: this one has threads."""
    command = [sys.executable, "-m", "tests.fuzz.flatbuffers", "--count", str(count), "--seed", "20000"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "no promise was broken" in done.stdout


def test_an_agent_of_its_own_over_execnet_gives_the_same_kinds_of_answers(tmp_path: Path) -> None:
    from tests.fuzz.flatbuffers import spot_check

    device = LocalDevice(name="this-host", cache=str(tmp_path / "cache"), memory_mib=1024)
    answers = {spot_check(device, seed, tmp_path) for seed in range(6)}
    assert answers <= {"loaded", "AgentError", "AgentLost", "LackOfMemory", "DeadlinePassed"}


def test_the_same_seed_gives_the_same_file_and_all_kinds_take_turns() -> None:
    assert mutated(7) == mutated(7)
    count = len(SOURCES) * len(KINDS)
    assert len({mutated(seed)[:2] for seed in range(count)}) == count
    assert all(mutated(seed)[2] != sound(mutated(seed)[0]) for seed in range(count))
