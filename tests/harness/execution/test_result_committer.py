"""Results are stored, or their units done again; what a damaged file came from is made again once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.execution.result_committer import Repeat, ResultCommitter
from harness.execution.task import TaskResult
from harness.store import Outcome, Store, StoredUnit
from tests.harness.execution.simulated import unit

SOURCE, USER, OTHER = unit("a"), unit("a", number=1), unit("a", number=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as store:
        store.commit(SOURCE, Outcome(result={"blob": "f" * 64}), seconds=1.0)
        yield store


def made(store: Store) -> StoredUnit:
    """What the source made."""
    return store.unit(SOURCE.key)


def test_outcomes_and_reasons_are_stored(store: Store) -> None:
    done = TaskResult(unit=USER, seconds=2.0, outcome=Outcome(result={"value": 1}))
    failed = TaskResult(unit=OTHER, seconds=0.0, reason="it is odd")
    committed = ResultCommitter(store).commit([done, failed])
    assert committed.stored == [done, failed]
    assert store.unit(USER.key).result == {"value": 1}
    assert store.unit(OTHER.key).reason == "it is odd"


def test_full_disk_is_an_error_and_nothing_that_came_with_it_is_kept(store: Store) -> None:
    full = TaskResult(unit=OTHER, seconds=0.0, reason="no room", disk_full=True)
    with pytest.raises(OSError, match="no room"):
        ResultCommitter(store).commit([TaskResult(unit=USER, seconds=0.0, outcome=Outcome()), full])
    assert store.finished() == {SOURCE.key: "done"}


def test_what_a_damaged_file_came_from_is_forgotten_once_and_fails_its_user_the_second_time(store: Store) -> None:
    committer = ResultCommitter(store)
    damaged = TaskResult(unit=USER, seconds=0.0, reason="damaged", damaged=made(store))
    assert committer.commit([damaged]).repeats == [Repeat(unit=USER, after=SOURCE)]
    assert store.finished() == {}
    store.commit(SOURCE, Outcome(result={"blob": "f" * 64}), seconds=1.0)
    assert committer.commit([damaged]).stored == [damaged]
    assert store.unit(USER.key).reason == "damaged"


def test_unit_that_met_the_same_damage_while_it_was_repaired_is_done_again_too(store: Store) -> None:
    committer, before = ResultCommitter(store), made(store)
    committer.commit([TaskResult(unit=USER, seconds=0.0, damaged=before)])
    late = TaskResult(unit=OTHER, seconds=0.0, damaged=before)
    assert committer.commit([late]).repeats == [Repeat(unit=OTHER)]
    store.commit(SOURCE, Outcome(result={"blob": "f" * 64}), seconds=1.5)
    assert committer.commit([late]).repeats == [Repeat(unit=OTHER)]
