"""A benchmark's conditions: whose CPU time was whose, and one sentence where the machine was busy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import conditions
from benchmarks.conditions import Process, Watch, busy_sentence, machine, own, processes, versions

QUIET = {"other_cpus": 0.02, "busy_processes": {}, "stolen_fraction": 0.0}


def test_processes_are_read_whatever_their_names(tmp_path: Path) -> None:
    numbers = " ".join(str(number) for number in range(5, 30))  # from field 5 on; the user's ticks are field 14
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/stat").write_text(f"7 (an odd) (name) S 3 {numbers}\n")
    (tmp_path / "proc/uptime").write_text("1.0 1.0\n")
    ((number, process),) = processes(tmp_path)
    assert (number, process.name, process.parent) == (7, "an odd) (name", 3)
    assert process.cpu_seconds == pytest.approx((14 + 15) / os.sysconf("SC_CLK_TCK"))
    assert process.with_children == pytest.approx((14 + 15 + 16 + 17) / os.sysconf("SC_CLK_TCK"))


def test_own_processes_are_this_one_and_all_below_it() -> None:
    me = os.getpid()
    parents = {me: 1, 10: me, 11: 10, 12: 1, 13: 12}
    assert own({pid: Process("", parent, 0.0, 0.0) for pid, parent in parents.items()}) == {me, 10, 11}


def test_a_worker_of_the_benchmark_is_no_other_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that used 5 s counts as the benchmark's own; a stranger that used 3 s of the 10 does not."""
    me, moments = os.getpid(), iter([0, 10])
    table = [
        {me: Process("me", 1, 0.0, 0.0), 10: Process("worker", me, 0.0, 0.0), 12: Process("stranger", 1, 1.0, 1.0)},
        {me: Process("me", 1, 1.0, 1.0), 10: Process("worker", me, 5.0, 5.0), 12: Process("stranger", 1, 4.0, 4.0)},
    ]
    now = {"moment": 0}

    def snapshot() -> dict[str, object]:
        now["moment"] = next(moments)
        busy = {"busy": 9.0 * now["moment"] / 10, "idle": 11.0 * now["moment"] / 10, "stolen": 0.0}
        return {"monotonic_ns": now["moment"] * 10**9, "cpu_seconds": busy, "load_average": 0.0, "governors": None}

    monkeypatch.setattr(conditions.telemetry, "snapshot", snapshot)
    monkeypatch.setattr(conditions, "processes", lambda: table[now["moment"] // 10].items())
    monkeypatch.setattr(conditions, "cores", lambda: 2)
    watch = Watch()
    next_table = table[1]
    monkeypatch.setattr(conditions, "processes", lambda: next_table.items())
    seen = watch.conditions()
    assert seen["other_cpus"] == pytest.approx(0.3)  # (9 - 1 - 5) seconds in 10
    assert seen["busy_processes"] == {"stranger": 0.3}
    assert seen["busy"] == "other processes kept 0.30 of 2 CPUs busy (stranger 0.30)"


def test_quiet_machine_has_no_sentence() -> None:
    assert busy_sentence(QUIET) == ""


def test_busy_machine_says_with_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "cores", lambda: 2)
    seen = {**QUIET, "other_cpus": 1.2, "busy_processes": {"qemu": 0.9, "python": 0.3}}
    assert busy_sentence(seen) == "other processes kept 1.20 of 2 CPUs busy (qemu 0.90, python 0.30)"
    assert (
        busy_sentence({**QUIET, "stolen_fraction": 0.1}) == "10% of the CPU time went to others on the machine's host"
    )


def test_conditions_name_no_machine_and_no_folder() -> None:
    told = json.dumps(Watch().conditions())
    assert os.uname().nodename not in told
    assert str(Path.home()) not in told
    assert sys.executable not in told


def test_conditions_know_processor_and_versions() -> None:
    assert machine()["cores"] == len(os.sched_getaffinity(0))
    assert {"numpy", "bitlens"} <= versions().keys()


def test_conditions_need_no_package_but_numpy() -> None:
    """So that benchmarks/threads.py runs where there is a checkout, NumPy and a runtime."""
    code = (
        "import json, sys; import benchmarks.conditions, benchmarks.ratios, benchmarks.results; "
        "print(json.dumps([name.split('.')[0] for name, module in sys.modules.items() "
        "if 'site-packages' in str(getattr(module, '__file__', ''))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=conditions.ROOT)
    assert {name for name in json.loads(done.stdout) if not name.startswith("_")} <= {"numpy"}  # _: how it is installed
