"""A store with the score rows of a large study: how fast it is written and read, and how large it is; see scale.py."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from harness.store import Outcome, Score, Store, Unit

IMAGES = 32  # score rows of a unit
MODELS, METHODS, METRICS = 10, 3, 10  # of the study
MIB = 1 << 20


def store_figures(rows: int) -> dict[str, float]:
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
