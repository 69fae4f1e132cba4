"""Mutated flatbuffers, each through an agent and every runtime that has its operators: a result or a reasoned error.

    python -m tests.fuzz.flatbuffers --count 10000 --seed 0

Prints how often each outcome came; exits with 1 if a promise was broken: an error without a reason, an answer after its
deadline, more memory than the limit, or a failure of the host.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import importlib
import os
import re
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from device import files, runtimes
from device.latency import complete_protocol
from harness.devices.job import Job
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, AgentLost, DeadlinePassed, LackOfMemory
from harness.devices.transport.session import Session
from harness.native import build
from tests.fuzz.forked_agent import ForkedAgent
from tests.fuzz.mutated_flatbuffers import ARTIFACTS, SOURCES, mutated

MEMORY_MIB = 1536
DEADLINE_S = 3.0
SLACK_S = 20.0  # between a deadline and what is seen of it here, on a machine that others use too
MAPPED_BYTES = 384 << 20  # resident libraries and files: shared, so the limit does not count them
STOCK, WITH_OPERATORS = ("ai-edge-litert", "tflite-runtime"), ("ai-edge-litert+lce-ops", "tflite-runtime+lce-ops")
RECORD = {"height": 8, "width": 8, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}
IMAGES = np.load(ARTIFACTS / "float.npz")["images"][:1]
PROTOCOL = {"min_runs": 3, "max_runs": 3, "min_seconds": 0.0, "warmup_max_runs": 5, "max_seconds": 1.0}


@dataclass
class Tally:
    """Outcomes by (source, runtime), and every broken promise in words."""

    outcomes: dict[tuple[str, str], collections.Counter[str]] = field(
        default_factory=lambda: collections.defaultdict(collections.Counter)
    )
    kinds: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    broken: list[str] = field(default_factory=list)
    peak_bytes: int = 0
    longest_s: float = 0.0

    def total(self) -> collections.Counter[str]:
        return sum(self.outcomes.values(), collections.Counter())


class Fuzzer:
    """One agent for file after file; a fresh one whenever a file has ended it."""

    def __init__(self, folder: Path, *, memory_mib: int = MEMORY_MIB, deadline_s: float = DEADLINE_S) -> None:
        self.tally = Tally()
        self._file, self._cache = folder / "hostile.tflite", files.claim_cache(str(folder / "cache"))
        self._memory_mib, self._deadline_s = memory_mib, deadline_s
        self._agent: ForkedAgent | None = None
        self.runtimes = _import_runtimes()
        lce = [name for name in (*WITH_OPERATORS, "larq-compute-engine") if name in self.runtimes]
        stock = [name for name in STOCK if name in self.runtimes]
        self._runtimes_of = {"float": stock, "int8": stock, "lce": lce}
        self._library = build.host_library()

    def run(self, seed: int) -> None:
        """Mutate one file, and let every runtime that has its operators execute it."""
        source, kind, content = mutated(seed)
        self._file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        for runtime in self._runtimes_of[source]:
            started = time.monotonic()
            outcome = self._outcome(sha256, runtime, seed)
            self._judge(f"seed {seed}, {source}, {kind}, {runtime}: {outcome}", outcome, time.monotonic() - started)
            self.tally.outcomes[source, runtime][outcome] += 1
            self.tally.kinds[kind, outcome.partition(":")[0]] += 1
        files.discard(os.path.join(self._cache, "artifacts", sha256))

    def close(self) -> None:
        if self._agent is not None:
            self._agent.end()
            self.tally.peak_bytes = max(self.tally.peak_bytes, self._agent.peak_bytes)
            if self._agent.peak_bytes > (self._memory_mib << 20) + MAPPED_BYTES:
                self.tally.broken.append(f"{self._agent.peak_bytes >> 20} MiB resident, over the limit")
            self._agent = None

    def _outcome(self, sha256: str, runtime: str, seed: int) -> str:
        try:
            return self._ask(sha256, runtime, seed)
        except AgentError as error:
            reasoned = error.kind and str(error).rpartition(f"{error.kind}: ")[2].strip()
            return f"error: {error.kind}" if reasoned and error.remote_traceback else "no reason"
        except LackOfMemory:
            self.close()
            return "agent lost: lack of memory"
        except AgentLost as error:
            self.close()
            ended = re.search(r"was lost in \w+: (signal \d+|exit status \d+)", str(error))
            return f"agent lost: {ended[1]}" if ended else "no reason"
        except DeadlinePassed:
            self.close()
            return "deadline passed"
        except Exception:
            self.close()
            return f"the host failed: {traceback.format_exc()}"

    def _ask(self, sha256: str, runtime: str, seed: int) -> str:
        self._agent = self._agent or ForkedAgent(self._cache, memory_mib=self._memory_mib)
        session, wait = self._agent.session, self._deadline_s
        session.put(sha256, self._file, deadline_s=30)
        how: dict[str, Any] = {"sha256": sha256, "runtime": runtime, "num_threads": 1, "library": None}
        if runtime in WITH_OPERATORS:
            how["library"] = self._put_library(session)
        if seed % 5 == 0:
            session.request("profile", deadline_s=wait, runs=1, **how)
            return "profile"
        session.request("load", deadline_s=wait, preprocessing=None if seed % 5 == 1 else RECORD, **how)
        if seed % 5 == 1:
            session.request("measure", deadline_s=wait, protocol=complete_protocol(PROTOCOL))
            return "record"
        session.request("predict", deadline_s=wait, images=IMAGES.tobytes(), shape=list(IMAGES.shape))
        return "scores"

    def _put_library(self, session: Session) -> str:
        sha256 = hashlib.sha256(self._library.read_bytes()).hexdigest()
        session.put(sha256, self._library, deadline_s=30)
        return sha256

    def _judge(self, what: str, outcome: str, seconds: float) -> None:
        self.tally.longest_s = max(self.tally.longest_s, seconds)
        if outcome.startswith(("no reason", "the host failed")):
            self.tally.broken.append(what)
        if seconds > 2 * self._deadline_s + SLACK_S:  # two requests with a deadline each
            self.tally.broken.append(f"{what} after {seconds:.0f} s")


def _import_runtimes() -> set[str]:
    """Before any fork: every agent then has them without importing them again."""
    usable = {row["name"] for row in runtimes.installed(library=True) if row["usable"] and row["name"] != "tensorflow"}
    for row in runtimes.RUNTIMES:
        if row.name in usable and row.name == "larq-compute-engine":
            runtimes._extension(row)
        elif row.name in usable:
            importlib.import_module(row.module)
    return usable


def spot_check(device: LocalDevice, seed: int, folder: Path) -> str:
    """One mutated file as a run does it: a process of its own, over execnet."""
    source, _, content = mutated(seed)
    path = folder / "spot.tflite"
    path.write_bytes(content)
    job = Job(device=device, artifact=path, runtime=(STOCK if source != "lce" else WITH_OPERATORS)[0], num_threads=1)
    try:
        with job.loaded():
            return "loaded"
    except (AgentError, AgentLost, DeadlinePassed) as error:
        return type(error).__name__


def as_table(tally: Tally) -> str:
    names = sorted(tally.total(), key=lambda name: -tally.total()[name])
    width = max(map(len, names)) + 2
    head = "".join(f"{f'{source} {runtime}':>30}" for source, runtime in tally.outcomes)
    rows = [f"{'outcome':{width}}{head}{'all':>10}"]
    for name in names:
        cells = "".join(f"{counts[name]:>30}" for counts in tally.outcomes.values())
        rows.append(f"{name:{width}}{cells}{tally.total()[name]:>10}")
    by_kind = sorted({kind for kind, _ in tally.kinds})
    groups = sorted({group for _, group in tally.kinds})
    rows += ["", f"{'change':{width}}" + "".join(f"{group:>18}" for group in groups)]
    rows += [f"{kind:{width}}" + "".join(f"{tally.kinds[kind, group]:>18}" for group in groups) for kind in by_kind]
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first file's; the others follow it")
    parser.add_argument("--memory-mib", type=int, default=MEMORY_MIB)
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bitlens-flatbuffers-") as folder:
        fuzzer = Fuzzer(Path(folder), memory_mib=asked.memory_mib)
        for number in range(asked.count):
            fuzzer.run(asked.seed + number)
            if (number + 1) % 100 == 0:
                total = dict(fuzzer.tally.total().most_common())
                print(f"{number + 1} of {asked.count}, {time.monotonic() - started:.0f} s: {total}", flush=True)
        fuzzer.close()
    tally = fuzzer.tally
    print(as_table(tally))
    print(f"{asked.count} files of {len(SOURCES)} sources, {sum(tally.total().values())} jobs in")
    print(f"{time.monotonic() - started:.0f} s; longest job {tally.longest_s:.1f} s; largest agent", end=" ")
    print(f"{tally.peak_bytes >> 20} MiB resident, limit {asked.memory_mib} MiB of private memory")
    print("\n".join(["broken promises:", *tally.broken]) if tally.broken else "no promise was broken")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main(sys.argv[1:]))
