"""What a run will take, from the units that are done; and how many workers fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.options import bytes_of, worker_config_of
from harness.errors import ConfigError
from harness.execution.sizing import LARGEST, USUAL, WorkerConfig, size_of
from harness.plan.estimate import estimate, samples
from harness.store import Outcome, Store, Unit


def unit(method: str, number: int, **more: Any) -> Unit:
    return Unit(kind="saliency", spec={"model": {"name": "a"}, "method": method, "number": number, **more})


def test_hours_and_gigabytes_are_those_of_units_alike_times_what_is_left(tmp_path: Path) -> None:
    units = [unit("gradient", n) for n in range(12)] + [unit("rise", n) for n in range(3)]
    with Store(tmp_path) as store:
        store.replace_plan(units)
        blob = store.save_blob(b"x" * 1000)
        store.commit(units[0], Outcome(result={"blob": blob}), seconds=900.0)  # it loaded the model
        store.commit(units[1], Outcome(result={"blob": blob}), seconds=360.0)
        expected = estimate(store, workers=2)
    assert expected.hours == pytest.approx(10 * 0.1 / 2)
    assert expected.gigabytes == pytest.approx(10 * 1000 / 1e9)
    assert expected.unknown == ("saliency a rise",)
    assert (expected.stages[0].to_do, expected.stages[0].hours) == (13, None)
    assert next(cut.hours for cut in expected.cuts if cut.without == "method gradient") == pytest.approx(1.0)


def test_cut_spares_all_that_builds_on_what_it_leaves_out(tmp_path: Path) -> None:
    """Two noise levels of four images each: a map takes an hour, its score two, comparing the two levels three."""
    hours = {"saliency": 1, "quality": 2, "agreement": 3}
    low, high = ([unit("smoothgrad", n, parameters={"noise_level": level}) for n in range(4)] for level in (0.1, 0.2))
    model = {"name": "a"}
    scores = [
        Unit(
            kind="quality",
            spec={"model": model, "method": "smoothgrad", "metric": "entropy"},
            needs={"saliency": maps.key},
        )
        for maps in (*low, *high)
    ]
    compared = [
        Unit(kind="agreement", spec={"model": model, "metric": "ssim"}, needs={"first": one.key, "second": other.key})
        for one, other in zip(low, high)
    ]
    with Store(tmp_path) as store:
        store.replace_plan([*low, *high, *scores, *compared])
        for done in (low[0], high[0], scores[0], scores[4], compared[0]):
            store.commit(done, Outcome(), seconds=3600.0 * hours[done.kind])
        cuts = {cut.without: cut.hours for cut in estimate(store, workers=1).cuts}
    assert cuts == pytest.approx(
        {
            "model a": 6 * 1 + 6 * 2 + 3 * 3,
            "method smoothgrad": 6 * 1 + 6 * 2 + 3 * 3,
            "noise_level 0.1": 3 * (1 + 2 + 3),
            "noise_level 0.2": 3 * (1 + 2 + 3),
            "metric entropy": 6 * 2,
            "metric ssim": 3 * 3,
            "half of the explained images": (6 * 1 + 6 * 2 + 3 * 3) / 2,
        }
    )


def test_calibration_takes_two_of_each_sort_with_what_they_build_on_and_nothing_for_boards(tmp_path: Path) -> None:
    images = [Unit(kind="images", spec={"first": n}) for n in range(4)]
    maps = [unit("gradient", n, images=images[n].key) for n in range(4)]
    board = {"name": "pi", "kind": "ssh"}
    judged = unit("gradient", 9, judge={"device": board, "format": "fp32"})
    with Store(tmp_path) as store:
        store.replace_plan([*images, *maps, judged])
        assert samples(store) == {u.key for u in (*images[:2], *maps[:2])}


def experiment(size: int) -> Any:
    return SimpleNamespace(models=[SimpleNamespace(preprocessing={"height": size, "width": size})])


@pytest.mark.parametrize(
    ("available", "workers"), [(1 << 30, 1), (LARGEST, 1), (LARGEST + USUAL, 2), (LARGEST + 100 * USUAL, 8)]
)
def test_as_many_workers_as_memory_holds_with_the_largest_model_in_one(available: int, workers: int) -> None:
    size = size_of(WorkerConfig(), experiment(224), cores=8, available=available)
    assert size.workers == workers
    assert size.limit_bytes + (workers - 1) * USUAL <= available


def test_memory_that_was_asked_for_bounds_each_worker() -> None:
    size = size_of(WorkerConfig(memory_bytes=4 << 30), experiment(224), cores=8, available=9 << 30)
    assert (size.workers, size.limit_bytes) == (2, 4 << 30)


def test_sizes_are_read_as_people_write_them() -> None:
    assert [bytes_of(text) for text in ("8GiB", "1.5 gb", "700MiB")] == [8 << 30, 1_500_000_000, 700 << 20]
    with pytest.raises(ConfigError, match='--memory: expected a size, got "much"'):
        bytes_of("much")


def test_options_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="--cluster"):
        worker_config_of(cluster="tcp://host:8786", workers=2)
    with pytest.raises(ConfigError, match="--storage"):
        worker_config_of(storage="s3://bucket")
