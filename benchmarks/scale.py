"""What handing out work costs: two workers against two bare processes, overhead for each unit, memory, a large store.

    python benchmarks/scale.py [--json] [--units 1000000] [--rows 10000000] [--only store]

two_process_efficiency  units a second of two workers over those of two bare processes that do the same busy work side
                        by side, between the first and the last unit; measured in turns, the median of the rounds.
overhead_ms             time for each unit that does nothing, with one worker: all that is not the unit itself.
coordinator             memory of the process that hands out, through Dask for thousands of units, and for more with
                        workers that return at once, so that a million take minutes; and its time for each unit, which
                        is what stays flat or not as work grows: the unit itself knows nothing of the others.
store                   score rows of ten models, three methods and ten metrics: how fast they are written, how large
                        they are, and how long it takes to check all pages when the store is opened, and the digests of
                        all rows; to see what is left, to make a report's view, and to read the scores of one model,
                        and of all.

Work is simulated: what a model takes is in benchmarks/saliency.py.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness.execution import coordinator, run_loop
from harness.execution.sizing import WorkerConfig
from harness.execution.task import Task, TaskResult
from harness.experiment.reader import read_experiment
from harness.stages.stage_table import STAGES, Stage
from harness.store import Outcome, Score, Store, Unit

LOOPS = 24_000_000  # of a busy unit: a third of a second or so
BUSY_UNITS, ROUNDS = 24, 3
IDLE_UNITS = 2000
DASK_UNITS = (1000, 5000, 20_000)
IMAGES = 32  # score rows of a unit
MODELS, METHODS, METRICS = 10, 3, 10  # of the study whose scores fill the store
MIB = 1 << 20


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
    options = _options()
    STAGES["simulated"] = Stage(perform="benchmarks.scale:perform", doing="simulating")
    measured: dict[str, Callable[[], dict[str, Any]]] = {
        "throughput": _throughput,
        "overhead": lambda: {"overhead_ms": 1000 / _rate(1, units=IDLE_UNITS, loops=0)},
        "coordinator_dask": lambda: {"coordinator_dask": [_apart(_coordinator, n, True) for n in DASK_UNITS]},
        "coordinator": lambda: {"coordinator": [_apart(_coordinator, n, False) for n in _counts(options.units)]},
        "store": lambda: {"store": _apart(_store, options.rows)},
    }
    figures: dict[str, Any] = {}
    for name, measure in measured.items():
        if options.only in (None, name):
            figures.update(measure())
    ratios = _ratios(figures)
    if options.json:
        print(json.dumps({"ratios": ratios, "figures": figures}))
        return
    for name, value in {**ratios, **figures}.items():
        for row in value if isinstance(value, list) else [value]:
            print(f"{name:<36}  {row if isinstance(row, dict) else round(row, 3)}")


def _throughput() -> dict[str, float]:
    bare, two = zip(*[(_bare_rate(2), _rate(2)) for _ in range(ROUNDS)])
    return {
        "two_process_efficiency": statistics.median(ours / theirs for ours, theirs in zip(two, bare)),
        "units_per_second_two_workers": statistics.median(two),
        "units_per_second_two_bare_processes": statistics.median(bare),
        "units_per_second_one_bare_process": _bare_rate(1),
    }


def _ratios(figures: dict[str, Any]) -> dict[str, float]:
    """What must not fall below one figure or another, taken out of what was measured."""
    ratios = {}
    if "two_process_efficiency" in figures:
        ratios["two_process_efficiency"] = figures.pop("two_process_efficiency")
    if "overhead_ms" in figures:
        ratios["overhead_5ms_over_ours"] = 5.0 / figures["overhead_ms"]
    return ratios


def _counts(longest: int) -> list[int]:
    return [count for count in (1000, 10_000, 100_000, 1_000_000) if count <= longest]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print only {ratios, figures}")
    parser.add_argument("--units", type=int, default=100_000, help="the longest simulated plan")
    parser.add_argument("--rows", type=int, default=1_000_000, help="score rows of the simulated store")
    parts = ("throughput", "overhead", "coordinator_dask", "coordinator", "store")
    parser.add_argument("--only", choices=parts, help="measure no more than this")
    return parser.parse_args()


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


# ------------------------------------------------------------------------------------------- memory, and a large store
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


def _store(rows: int) -> dict[str, float]:
    from reports.data.view import RunView

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        _, planning = _timed(lambda: store.replace_plan(_study(rows), kinds=("images", "quality")))
        written, writing = _timed(lambda: _fill(store, rows))
        size = (Path(folder) / "store.sqlite").stat().st_size
        _, resuming = _timed(lambda: (store.counts(), list(store.missing())))
        view, viewing = _timed(lambda: RunView(store))
        units = view.of_kind("quality")
        of_one = [unit for unit in units if unit.spec["model"]["name"] == "model 0"]
        _, reading_one = _timed(lambda: sum(len(view.scores(unit)) for unit in of_one))
        read, reading = _timed(lambda: sum(len(view.scores(unit)) for unit in units))
        assert read == written
    return {
        "rows": read,
        "bytes_per_row": round(size / read),
        "rows_written_per_second": round(written / writing),
        "rows_read_per_second": round(read / reading),
        "seconds_to_write_the_plan": round(planning, 2),
        "seconds_to_see_what_is_left": round(resuming, 2),
        "seconds_to_make_a_view": round(viewing, 2),
        "seconds_to_read_one_network": round(reading_one, 2),
        "rss_mib": round(psutil.Process().memory_info().rss / MIB),
    }


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return function(), time.monotonic() - began


def _fill(store: Store, rows: int) -> int:
    """The scores of every unit of the study, 64 units in a transaction, as workers bring them back; how many rows."""
    units, scores, written = _study(rows), _scores(0), 0
    while some := list(itertools.islice(units, 64)):
        with store.together():
            for unit in some:
                if unit.kind == "images":
                    scores = _scores(unit.spec["first"])
                of_unit = scores if unit.kind == "quality" else []
                store.commit(unit, Outcome(scores=of_unit), seconds=0.0)
                written += len(of_unit)
    return written


def _scores(first: int) -> list[Score]:
    return [Score(image=f"ILSVRC2012_val_{first + i:08d}", value=i / IMAGES) for i in range(IMAGES)]


def _study(rows: int) -> Iterator[Unit]:
    """So many batches of images, and for each the quality units of every model, method and metric."""
    names = list(itertools.product(range(MODELS), range(METHODS), range(METRICS)))
    for first in range(0, max(1, rows // len(names)), IMAGES):
        images = Unit(kind="images", spec={"first": first, "count": IMAGES})
        yield images
        for model, method, metric in names:
            spec = {"method": f"method {method}", "metric": f"metric {metric}"}
            yield Unit(kind="quality", spec={"model": {"name": f"model {model}"}, **spec}, needs={"images": images.key})


if __name__ == "__main__":
    # workers look the stage up by name, in the module as they import it
    main()
