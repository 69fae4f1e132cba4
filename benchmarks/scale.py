"""What handing out work costs: two workers against two bare processes, overhead for each unit, memory, a large store.

    python benchmarks/scale.py [--json] [--units 1000000] [--rows 10000000]

two_process_efficiency  units a second of two workers over those of two bare processes that do the same busy work side
                        by side, between the first and the last unit; measured in turns, the median of the rounds.
overhead_ms             time for each unit that does nothing, with one worker: all that is not the unit itself.
coordinator             memory of the process that hands out, through Dask for thousands of units, and for more with
                        workers that return at once, so that a million take minutes; and its time for each unit.
store                   score rows: how fast they are written, how large they are, how fast a report reads them.

Work is simulated: what a network takes is in benchmarks/saliency.py.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness import run  # noqa: E402
from harness.experiment import read_experiment  # noqa: E402
from harness.stages import STAGES, Stage  # noqa: E402
from harness.store import Outcome, Score, Store, Unit  # noqa: E402
from harness.team import Team  # noqa: E402
from harness.work import Finished, Order  # noqa: E402

LOOPS = 4_000_000  # of a busy unit: a third of a second or so
BUSY_UNITS, ROUNDS = 24, 3
IDLE_UNITS = 2000
IMAGES = 32  # score rows of a unit
MIB = 1 << 20


def perform(unit: Unit, workshop: Any, progress: Any) -> Outcome:
    """The simulated stage: so many turns of a loop."""
    spin(unit.spec["loops"])
    return Outcome(result={})


def spin(loops: int) -> None:
    for _ in range(loops):
        pass


class TimedStore(Store):
    """Remembers when each unit was committed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.committed: list[float] = []

    def commit(self, unit: Unit, outcome: Outcome, *, seconds: float) -> None:
        super().commit(unit, outcome, seconds=seconds)
        self.committed.append(time.monotonic())


class InstantCrew:
    """Workers that return at once, in place of Dask's."""

    def __init__(self, team: Team, experiment: Any, folder: Path, arrived: Any) -> None:
        self.storage, self._arrived = None, arrived

    def look(self) -> None: ...
    def close(self) -> None: ...
    def idle(self) -> dict[str, str]:
        return {str(number): "" for number in range(16)}

    def networks(self, address: str) -> set[str]:
        return set()

    def hand_over(self, order: Order, key: str, address: str) -> None:
        self._arrived.put(Finished(unit=order.unit, seconds=0.0, outcome=Outcome()))

    def receive(self, arrived: dict[str, Any]) -> list[Finished]:
        return []


def main() -> None:
    options = _options()
    STAGES["simulated"] = Stage(perform="benchmarks.scale:perform", doing="simulating")
    bare, two = zip(*[(_bare_rate(2), _rate(2)) for _ in range(ROUNDS)])
    efficiency = statistics.median(ours / theirs for ours, theirs in zip(two, bare))
    overhead = 1000 / _rate(1, units=IDLE_UNITS, loops=0)
    counts = [count for count in (1000, 10_000, 100_000, 1_000_000) if count <= options.units]
    figures = {
        "units_per_second_two_workers": statistics.median(two),
        "units_per_second_two_bare_processes": statistics.median(bare),
        "units_per_second_one_bare_process": _bare_rate(1),
        "overhead_ms": overhead,
        "coordinator_dask": [_apart(_coordinator, count, True) for count in (1000, 5000)],
        "coordinator": [_apart(_coordinator, count, False) for count in counts],
        "store": _apart(_store, options.rows),
    }
    if options.json:
        ratios = {"two_process_efficiency": efficiency, "overhead_5ms_over_ours": 5.0 / overhead}
        print(json.dumps({"ratios": ratios, "figures": figures}))
        return
    print(f"two_process_efficiency  {efficiency:.3f}\noverhead_ms             {overhead:.2f}")
    for name, value in figures.items():
        for row in value if isinstance(value, list) else [value]:
            print(f"{name:<36}  {row if isinstance(row, dict) else round(row, 2)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}")
    parser.add_argument("--units", type=int, default=100_000, help="the longest simulated plan")
    parser.add_argument("--rows", type=int, default=1_000_000, help="score rows of the simulated store")
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------------- throughput
def _rate(workers: int, *, units: int = BUSY_UNITS, loops: int = LOOPS) -> float:
    """Units a second, once all workers are at work."""
    with tempfile.TemporaryDirectory() as folder, TimedStore(Path(folder)) as store:
        _perform(store, _units(units, loops), Team(workers=workers))
        first = workers if loops else units // 10
        return (units - first) / (store.committed[-1] - store.committed[first - 1])


def _bare_rate(processes: int) -> float:
    """Busy units a second of processes that share nothing."""
    ends = [multiprocessing.Pipe() for _ in range(processes)]
    running = [multiprocessing.Process(target=_spin_on_demand, args=(theirs,)) for _, theirs in ends]
    for process in running:
        process.start()
    for ours, _ in ends:
        ours.recv()
    began = time.monotonic()
    for ours, _ in ends:
        ours.send(BUSY_UNITS // 2)
    for ours, _ in ends:
        ours.recv()
    rate = processes * (BUSY_UNITS // 2) / (time.monotonic() - began)
    for process in running:
        process.join()
    return rate


def _spin_on_demand(connection: Any) -> None:
    connection.send("ready")
    for _ in range(connection.recv()):
        spin(LOOPS)
    connection.send("done")


def _units(count: int, loops: int) -> Iterator[Unit]:
    for number in range(count):
        yield Unit(kind="simulated", spec={"model": {"name": "n"}, "loops": loops, "number": number})


def _perform(store: Store, units: Iterator[Unit], team: Team) -> None:
    path = store.folder / "scale.toml"
    path.write_text('models = ["planted-float"]\n[dataset]\nkind = "planted"\n')
    store.replace_plan(units)
    run.perform_missing(store, read_experiment(path), team)


# ------------------------------------------------------------------------------------------- memory, and a large store
def _apart(function: Any, *arguments: Any) -> dict[str, float]:
    """The result of a function in a process of its own, whose memory nothing else has touched."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_send, args=(theirs, function, *arguments))
    process.start()
    found: dict[str, float] = ours.recv()
    process.join()
    return found


def _send(connection: Any, function: Any, *arguments: Any) -> None:
    connection.send(function(*arguments))


def _coordinator(count: int, dask: bool) -> dict[str, float]:
    STAGES["simulated"] = Stage(perform="benchmarks.scale:perform", doing="simulating")
    if not dask:
        run.Crew = InstantCrew  # type: ignore[assignment,misc]  # it stands in for it
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        began = time.monotonic()
        _perform(store, _units(count, 0), Team(workers=1))
        seconds = time.monotonic() - began
    return {"units": count, "rss_mib": round(process.memory_info().rss / MIB), "ms_per_unit": 1000 * seconds / count}


def _store(rows: int) -> dict[str, float]:
    units = rows // IMAGES
    scores = [Score(image=f"ILSVRC2012_val_{image:08d}", value=image / IMAGES) for image in range(IMAGES)]
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        began = time.monotonic()
        for first in range(0, units, 64):  # what many workers bring back together
            with store.together():
                for unit in _units(min(64, units - first), first):
                    store.commit(unit, Outcome(scores=scores), seconds=0.0)
        written = time.monotonic() - began
        size = (Path(folder) / "store.sqlite").stat().st_size
        store.replace_plan(unit for first in range(0, units, 64) for unit in _units(min(64, units - first), first))
        began = time.monotonic()
        keys = [unit.key for unit in store.planned_units()]
        planned = time.monotonic() - began
        began = time.monotonic()
        read = sum(len(store.scores(key)) for key in keys)
        seconds = time.monotonic() - began
    return {
        "rows": read,
        "rows_written_per_second": read / written,
        "bytes_per_row": size / read,
        "seconds_to_read_the_plan": planned,
        "rows_read_per_second": read / seconds,
    }


if __name__ == "__main__":
    # workers look the stage up by name, in the module as they import it
    main()
