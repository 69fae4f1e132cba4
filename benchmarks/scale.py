"""What handing out work costs: two workers against two bare processes, overhead for each unit, memory, a large store.

    python benchmarks/scale.py [--quick] [--json] [--save] [--units 1000000] [--rows 10000000] [--only store]

throughput              two_process_efficiency: units a second of two workers over those of two bare processes that do
                        the same busy work side by side, between the first and the last unit; measured in turns.
overhead                time for each unit that does nothing, with one worker: all that is not the unit itself.
coordinator             memory of the process that hands out, through Dask for thousands of units, and for more with
                        workers that return at once, so that a million take minutes; and its time for each unit, which
                        is what stays flat or not as work grows: the unit itself knows nothing of the others.
store                   score rows of ten models, three methods and ten metrics: how fast they are written, how large
                        they are, and how long it takes to check all pages when the store is opened, and the digests of
                        all rows; to see what is left, to make a report's view, and to read the scores of one model,
                        and of all.

Work is simulated: what a model takes is in benchmarks/saliency.py. --quick has shorter plans and a smaller store.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, Ratio, Samples, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish, shown
from benchmarks.scale_store import MIB, store_figures
from harness.execution import coordinator, run_loop
from harness.execution.sizing import WorkerConfig
from harness.execution.task import Task, TaskResult
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Store, Unit

LOOPS = 24_000_000  # of a busy unit: a third of a second or so
BUSY_UNITS = 24
IDLE_UNITS = 2000
DASK_UNITS = (1000, 5000, 20_000)
ALLOWED_MS = 5.0  # for each unit that does nothing
PARTS = ("throughput", "overhead", "coordinator_dask", "coordinator", "store")
COUNTS = (1000, 10_000, 100_000, 1_000_000)


def perform(unit: Unit, context: Any, progress: Any) -> Outcome:
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


class InstantPool:
    """Workers that return at once, in place of Dask's."""

    def __init__(self, worker_config: WorkerConfig, experiment: Any, folder: Path, arrived: Any) -> None:
        self.storage, self._arrived = None, arrived

    def look(self) -> None: ...
    def close(self) -> None: ...
    def idle(self) -> dict[str, str]:
        return {str(number): "" for number in range(16)}

    def models_elsewhere(self, address: str) -> set[str]:
        return set()

    def hand_over(self, task: Task, address: str) -> None:
        self._arrived.put(TaskResult(unit=task.unit, seconds=0.0, outcome=Outcome()))


def main() -> None:
    options, watch = _options(), Watch()
    STAGES["simulated"] = Stage(perform="benchmarks.scale:perform", doing="simulating")
    limits = limits_of(options)
    ratios: dict[str, Ratio] = {}
    figures: dict[str, Any] = {}
    if "throughput" in options.only:
        ratios |= _throughput(limits, watch, figures)
    if "overhead" in options.only:
        ratios |= _overhead(limits, watch, figures)
    if "coordinator_dask" in options.only:
        figures["coordinator_dask"] = [_apart(_coordinator, n, True) for n in _counts(DASK_UNITS, options.units)]
    if "coordinator" in options.only:
        figures["coordinator"] = [_apart(_coordinator, n, False) for n in _counts(COUNTS, options.units)]
    if "store" in options.only:
        figures["store"] = _apart(store_figures, options.rows)
    publish(options, watch, ratios=ratios, figures=figures, tables=list(_tables(figures)))


def _throughput(limits: Limits, watch: Watch, figures: dict[str, Any]) -> dict[str, Ratio]:
    what = "two workers over two bare processes, units a second"
    turns = take_turns(
        {"bare": lambda: 1 / _bare_rate(2), "ours": lambda: 1 / _rate(2)},
        {"two_process_efficiency": Comparison(over("bare", "ours"), what)},
        limits,
        between=watch.look,
        label="throughput",
    )
    figures["units_per_second_two_workers"] = 1 / turns.median("ours")
    figures["units_per_second_two_bare_processes"] = 1 / turns.median("bare")
    return turns.ratios


def _overhead(limits: Limits, watch: Watch, figures: dict[str, Any]) -> dict[str, Ratio]:
    def allowed_over_ours(samples: Samples) -> list[float]:
        return [ALLOWED_MS / taken for taken in samples["ours"]]

    turns = take_turns(
        {"ours": lambda: 1000 / _rate(1, units=IDLE_UNITS, loops=0)},
        {"overhead_5ms_over_ours": Comparison(allowed_over_ours, "5 ms over the time of a unit that does nothing")},
        limits,
        between=watch.look,
        label="overhead",
    )
    figures["overhead_ms"] = turns.median("ours")
    return turns.ratios


def _tables(figures: dict[str, Any]) -> Iterator[Table]:
    """Whatever was measured."""
    titles = {
        "coordinator": "The coordinator, with workers that return at once",
        "coordinator_dask": "The coordinator through Dask, with one worker, its start included",
    }
    for name in sorted(titles.keys() & figures.keys()):
        rows = [[f"{row['units']:,}", f"{row['rss_mib']} MiB", f"{row['ms_per_unit']:.2f}"] for row in figures[name]]
        yield Table(titles[name], ["units in the plan", "memory", "ms for each unit"], rows)
    single = {name: value for name, value in figures.items() if isinstance(value, float)} | figures.get("store", {})
    rows = [[name.replace("_", " "), shown(value)] for name, value in single.items()]
    yield Table("Single figures", ["what", "value"], rows)


def _counts(counts: tuple[int, ...], longest: int) -> list[int]:
    return [count for count in counts if count <= longest]


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.1, least_rounds=6, most_rounds=20, most_seconds=300))
    parser.add_argument("--units", type=positive_int, help="the longest simulated plan, default 100,000")
    parser.add_argument("--rows", type=positive_int, help="score rows of the simulated store, default 1,000,000")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure no more than these")
    options = parser.parse_args()
    options.units = options.units or (10_000 if options.quick else 100_000)
    options.rows = options.rows or (100_000 if options.quick else 1_000_000)
    return options


# ------------------------------------------------------------------------------------------------------- throughput
def _rate(workers: int, *, units: int = BUSY_UNITS, loops: int = LOOPS) -> float:
    """Units a second, once all workers are at work."""
    with tempfile.TemporaryDirectory() as folder, TimedStore(Path(folder)) as store:
        _perform(store, _units(units, loops), WorkerConfig(workers=workers))
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


def _perform(store: Store, units: Iterator[Unit], worker_config: WorkerConfig) -> None:
    path = store.folder / "scale.toml"
    path.write_text('models = ["planted-float"]\n[dataset]\nkind = "planted"\n')
    store.replace_plan(units)
    coordinator.perform_missing(store, read_experiment(path), worker_config)


# ----------------------------------------------------------------------------------------------------------- memory
def _apart(function: Any, *arguments: Any) -> dict[str, float]:
    """The result of a function in a process of its own, whose memory nothing else has touched."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_send, args=(theirs, function, *arguments))
    process.start()
    result: dict[str, float] = ours.recv()
    process.join()
    return result


def _send(connection: Any, function: Any, *arguments: Any) -> None:
    connection.send(function(*arguments))


def _coordinator(count: int, dask: bool) -> dict[str, float]:
    STAGES["simulated"] = Stage(perform="benchmarks.scale:perform", doing="simulating")
    if not dask:
        run_loop.WorkerPool = InstantPool  # type: ignore[assignment,misc]  # it stands in for it
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        began = time.monotonic()
        _perform(store, _units(count, 0), WorkerConfig(workers=1))
        seconds = time.monotonic() - began
    return {"units": count, "rss_mib": round(process.memory_info().rss / MIB), "ms_per_unit": 1000 * seconds / count}


if __name__ == "__main__":
    # workers look the stage up by name, in the module as they import it
    main()
