"""The store keeps what is committed, once, and nothing that is half done."""

from __future__ import annotations

import sqlite3
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.store import Outcome, Prediction, Score, Store, Unit
from harness.store.store_reader import PAGE

UNIT = Unit(kind="quality", spec={"metric": "sparseness", "model": {"name": "a"}})
OUTCOME = Outcome(
    result={"better": "higher"},
    predictions=[Prediction(image="i", label=1, ranked=(1, 0), scores=(0.75, 0.25))],
    scores=[Score(image="i", value=0.5), Score(image="j", value=None, reason="blank map")],
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), json_values, min_size=1))
def test_key_does_not_depend_on_the_order_in_which_the_spec_was_written(spec: dict[str, object]) -> None:
    backwards = dict(reversed(list(spec.items())))
    assert Unit(kind="k", spec=spec).key == Unit(kind="k", spec=backwards).key


def test_units_of_different_kinds_with_equal_specs_have_different_keys() -> None:
    assert Unit(kind="accuracy", spec={"a": 1}).key != Unit(kind="latency", spec={"a": 1}).key


def test_committed_unit_comes_back_as_it_was_after_reopening(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.commit(UNIT, OUTCOME, seconds=1.5)
    with Store(tmp_path) as store:
        stored = store.unit(UNIT.key)
        assert (stored.status, stored.spec, stored.result) == ("done", UNIT.spec, OUTCOME.result)
        assert store.predictions(UNIT.key) == OUTCOME.predictions
        assert store.scores(UNIT.key) == OUTCOME.scores


def test_rows_of_a_commit_that_fails_midway_are_all_absent(tmp_path: Path) -> None:
    twice_the_same_image = Outcome(scores=[Score(image="i", value=1.0), Score(image="i", value=2.0)])
    with Store(tmp_path) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store.commit(UNIT, twice_the_same_image, seconds=0.0)
        assert store.finished() == {}
        assert store.scores(UNIT.key) == []


def test_a_unit_cannot_be_committed_twice(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.commit(UNIT, OUTCOME, seconds=0.0)
        with pytest.raises(sqlite3.IntegrityError):
            store.commit(UNIT, OUTCOME, seconds=0.0)


def test_failed_unit_keeps_its_reason_until_it_is_forgotten(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.fail(UNIT, "no such runtime", seconds=0.1)
        assert store.unit(UNIT.key).reason == "no such runtime"
        assert store.forget_failures() == 1
        assert store.finished() == {}


def test_plan_shows_finished_failed_and_missing_units_in_order(tmp_path: Path) -> None:
    units = [Unit(kind="k", spec={"n": n}) for n in range(3)]
    with Store(tmp_path) as store:
        store.replace_plan(units)
        store.commit(units[0], Outcome(), seconds=0.0)
        store.fail(units[2], "why", seconds=0.0)
        assert [unit.status for unit in store.planned_units()] == ["done", "planned", "failed"]


def test_long_plan_is_read_in_order_and_once_while_units_are_committed(tmp_path: Path) -> None:
    units = [Unit(kind="kl"[n % 2], spec={"n": n}) for n in range(2 * PAGE + 10)]
    seen, done = [], {u.key for u in units[::3]}
    with Store(tmp_path) as store:
        store.replace_plan(units)
        for unit in units[::3]:
            store.commit(unit, Outcome(), seconds=0.0)
        for unit in store.missing():
            store.commit(unit, Outcome(), seconds=0.0)
            seen.append(unit.key)
        assert seen == [u.key for u in units if u.key not in done]
        assert [u.key for u in store.planned_units("l")] == [u.key for u in units if u.kind == "l"]
        assert {u.status for u in store.planned_units()} == {"done"}


def test_plan_of_any_length_is_read_in_little_memory(tmp_path: Path) -> None:
    units, size = [Unit(kind="k", spec={"n": n}) for n in range(6 * PAGE)], 5000
    with Store(tmp_path) as store:
        store.replace_plan(units)
        with store.together():
            for unit in units:
                store.commit(unit, Outcome(result={"curve": "x" * size}), seconds=0.0)
        tracemalloc.start()
        read = sum(len(unit.result["curve"]) for unit in store.planned_units())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert read == size * len(units)
    assert most < read / 2


def test_replaced_plan_forgets_the_old_plan_but_not_its_results(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.replace_plan([UNIT])
        store.commit(UNIT, OUTCOME, seconds=0.0)
        store.replace_plan([])
        assert list(store.planned_units()) == []
        assert store.finished() == {UNIT.key: "done"}


def test_array_is_named_by_its_content_and_damage_is_repaired_by_saving_again(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    with Store(tmp_path) as store:
        sha256 = store.save_array(array)
        assert store.save_array(array.copy()) == sha256
        store.blob_path(sha256).write_bytes(b"cut short")
        assert store.save_array(array) == sha256
        np.testing.assert_array_equal(store.load_array(sha256), array)


def test_no_temporary_file_is_left_beside_a_saved_blob(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        sha256 = store.save_blob(b"content")
    assert [path.name for path in (tmp_path / "blobs").iterdir()] == [sha256]
