"""Under which conditions a benchmark ran: machine, versions, and what else kept its CPUs busy meanwhile.

    watch = Watch()
    ...           # measure; call watch.look() between rounds
    watch.conditions()

Other processes are named by the name of their program alone. Needs the standard library and NumPy, and Linux's /proc.
"""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from device import telemetry
from harness.devices.validity import OTHER_CPUS_SUSPECT, STOLEN_SUSPECT, other_cpus

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "bitlens",
    "numpy",
    "ai-edge-litert",
    "tensorflow",
    "tensorflow-cpu",
    "tf-keras",
    "larq",
    "larq-compute-engine",
    "tf-keras-vis",
    "xplique",
    "dask",
)
MACHINE = ("board", "cpu", "architecture", "virtual_machine", "container", "system", "kernel", "memory_bytes", "python")
LOOK_EVERY_S = 1.0  # a look takes some milliseconds
NAMED, NAMED_FROM = 5, 0.02  # CPUs on average: below that a process is not worth naming


@dataclass(frozen=True, slots=True)
class Process:
    name: str
    parent: int
    cpu_seconds: float
    with_children: float  # and those that have ended


class Watch:
    """Sees from its making on which other processes use the CPUs: all but the benchmark's own and its descendants."""

    def __init__(self) -> None:
        self._before, self._seen = _snapshot(), dict(processes())
        self._busy: dict[str, float] = {}
        self._looked = time.monotonic()

    def look(self) -> None:
        """Between rounds: what ends before the next look is counted, but not named."""
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._name()

    def _name(self) -> None:
        now = dict(processes())
        for pid in now.keys() - own(now):
            before = self._seen.get(pid)
            taken = now[pid].cpu_seconds - (before.cpu_seconds if before else 0.0)
            self._busy[now[pid].name] = self._busy.get(now[pid].name, 0.0) + taken
        self._seen, self._looked = now, time.monotonic()

    def conditions(self) -> dict[str, Any]:
        """What goes beside the results: `busy` is one sentence, empty on a quiet machine."""
        self._name()
        after = _snapshot()
        seconds = (after["monotonic_ns"] - self._before["monotonic_ns"]) / 1e9
        busiest = sorted(self._busy.items(), key=itemgetter(1), reverse=True)[:NAMED]
        record = {"circumstances": {"before": self._before, "after": after}}
        seen: dict[str, Any] = {
            "seconds": round(seconds),
            "load_average_before": self._before["load_average"],
            "other_cpus": _rounded(other_cpus(record)),
            "busy_processes": {
                name: round(taken / seconds, 2) for name, taken in busiest if taken / seconds >= NAMED_FROM
            },
            "stolen_fraction": _rounded(_stolen(self._before["cpu_seconds"], after["cpu_seconds"])),
            "governors": after["governors"],
            "nice": os.nice(0),
        }
        return {**seen, "busy": busy_sentence(seen), "machine": machine(), "versions": versions()}


def busy_sentence(seen: dict[str, Any]) -> str:
    """Why a machine was not quiet; empty where it was."""
    reasons = []
    if (seen["other_cpus"] or 0) > OTHER_CPUS_SUSPECT:
        named = ", ".join(f"{name} {cpus:.2f}" for name, cpus in seen["busy_processes"].items())
        names = f" ({named})" if named else ""
        reasons.append(f"other processes kept {seen['other_cpus']:.2f} of {cores()} CPUs busy{names}")
    if (seen["stolen_fraction"] or 0) > STOLEN_SUSPECT:
        reasons.append(f"{seen['stolen_fraction']:.0%} of the CPU time went to others on the machine's host")
    return "; ".join(reasons)


def machine() -> dict[str, Any]:
    """What does not change, and names nobody."""
    about = telemetry.machine()
    kept = (
        "board",
        "cpu",
        "architecture",
        "virtual_machine",
        "container",
        "system",
        "kernel",
        "memory_bytes",
        "python",
    )
    return {**{name: about[name] for name in kept}, "cores": cores()}


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0))


def versions() -> dict[str, str]:
    """Of the packages that are installed, and the commit that was measured, with a + where files differ from it."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = telemetry.run_command("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD")
    if commit:
        same = telemetry.run_command("git", "-C", str(ROOT), "diff", "--quiet", "HEAD", "--", "*.py", "*.h", "*.cc")
        found["commit"] = commit + "+" * (same is None)
    return found


def processes(root: Path = Path("/")) -> Iterator[tuple[int, Process]]:
    """Those that are alive, by number."""
    tick = os.sysconf("SC_CLK_TCK")
    for path in (root / "proc").glob("[0-9]*/stat"):
        text = telemetry.read_text(path)  # None where it has just ended
        if not text:
            continue
        number, _, rest = text.partition(" (")
        name, _, numbers = rest.rpartition(") ")  # a name may hold any character
        words = numbers.split()
        user, system, of_children, system_of_children = (int(word) / tick for word in words[11:15])
        alone = user + system
        yield int(number), Process(name, int(words[1]), alone, alone + of_children + system_of_children)


def own(among: dict[int, Process]) -> set[int]:
    """This process and its descendants."""
    found, fresh = {os.getpid()}, {os.getpid()}
    while fresh := {pid for pid, process in among.items() if process.parent in fresh} - found:
        found |= fresh
    return found


def _snapshot() -> dict[str, Any]:
    """The agent's own, in which the processes that a benchmark has started count as its own."""
    among = dict(processes())
    mine = sum(among[pid].with_children for pid in own(among) & among.keys())
    return {**telemetry.snapshot(), "own_cpu_seconds": mine}


def _stolen(before: dict[str, float] | None, after: dict[str, float] | None) -> float | None:
    if not before or not after:
        return None
    passed = {name: after[name] - before[name] for name in before}
    total = sum(passed.values())
    return passed["stolen"] / total if total > 0 else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
