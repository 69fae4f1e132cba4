"""Whatever happens to the bytes of a run is noticed: a result is what it was, or it is said that it is not."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BitlensError
from harness.store import (
    DamagedRun,
    ReadOnlyStore,
    Store,
    UnreadableStore,
    read_store,
)
from tests.harness.store.small_store import UNITS, everything, outcome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that is done, but for one unit that failed and one that is planned."""
    with Store(tmp_path / "run") as store:
        store.replace_plan(UNITS)
        store.set_meta("experiment_name", "a study")
        for number, unit in enumerate(UNITS[:10]):
            store.commit(unit, outcome(store, number), seconds=0.5)
        store.fail(UNITS[10], "no such runtime", seconds=0.1)
    return tmp_path / "run"


def altered(folder: Path, statement: str) -> None:
    database = sqlite3.connect(folder / "store.sqlite")
    with database:
        database.execute(statement)
    database.close()


# --------------------------------------------------------------------------------------------------------- single rows
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE unit SET result = replace(result, '0.14', '0.15') WHERE key = '{key}'", "its row in the database"),
        ("UPDATE unit SET status = 'failed' WHERE key = '{key}'", "its row in the database"),
        ("UPDATE unit SET seconds = 0.6 WHERE key = '{key}'", "its row in the database"),
        ("UPDATE unit SET result = CAST(x'ff00fe' AS TEXT) WHERE key = '{key}'", "its row in the database"),
        ("UPDATE unit SET digest = '' WHERE key = '{key}'", "its row in the database"),
        ("UPDATE score SET value = 0.4 WHERE unit = '{key}' AND image = 'test/1'", "its predictions or scores"),
        ("UPDATE score SET value = NULL WHERE unit = '{key}'", "its predictions or scores"),
        ("UPDATE score SET image = 'test/9' WHERE unit = '{key}' AND image = 'test/1'", "its predictions or scores"),
        ("DELETE FROM score WHERE unit = '{key}'", "its predictions or scores"),
        ("UPDATE prediction SET label = 0 WHERE unit = '{key}' AND image = 'test/3'", "its predictions or scores"),
    ],
)
def test_altered_row_is_read_as_a_failed_unit_without_numbers_and_done_again(
    folder: Path, statement: str, what: str
) -> None:
    key = UNITS[1].key
    altered(folder, statement.format(key=key))
    with ReadOnlyStore(folder) as store:
        assert {name: wrong.startswith(what) for name, wrong in store.damage.units.items()} == {key: True}
        read = next(unit for unit in store.planned_units() if unit.key == key)
        assert (read.status, read.result, store.scores(key), store.predictions(key)) == ("failed", {}, [], [])
        assert what in read.reason
        assert store.scores(UNITS[2].key)
    with Store(folder) as store:
        assert store.forget_damaged().keys == {key}
        store.commit(UNITS[1], outcome(store, 1), seconds=0.5)
        assert not store.damage
        assert [unit.status for unit in store.planned_units()] == ["done"] * 10 + ["failed", "planned"]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (f"DELETE FROM unit WHERE key = '{UNITS[4].key}'", "units are missing"),
        ("UPDATE meta SET value = 'another study' WHERE name = 'experiment_name'", "the facts about the run"),
        ("DELETE FROM meta WHERE name = 'experiment_name'", "the facts about the run"),
        ("UPDATE tally SET units = 'x'", "units are missing"),
        ("UPDATE tally SET commits = 3", "the last 10 commits to the database are lost"),
        ("DELETE FROM tally", "commits to the database are lost"),
    ],
)
def test_what_is_missing_or_altered_of_the_run_as_a_whole_is_said_once(folder: Path, statement: str, said: str) -> None:
    altered(folder, statement)
    if "tally" in statement and "DELETE" in statement:
        with pytest.raises(DamagedRun, match="the plan in its database is damaged"), ReadOnlyStore(folder) as store:
            assert store.damage
    else:
        with ReadOnlyStore(folder) as store:
            assert any(said in sentence for sentence in store.damage.run)
    with Store(folder) as store:
        store.replace_plan(UNITS)
        store.set_meta("experiment_name", "a study")
        assert any(said in sentence for sentence in store.forget_damaged().run)
        assert not store.damage
    with ReadOnlyStore(folder) as store:
        assert not store.damage


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE planned SET spec = replace(spec, '7', '8')",
        f"DELETE FROM planned WHERE key = '{UNITS[3].key}'",
        "UPDATE planned SET position = position + 100 WHERE position < 2",
        "UPDATE planned SET kind = 'm' WHERE position = 0",
    ],
)
def test_damaged_plan_is_one_sentence_until_a_run_writes_it_again(folder: Path, statement: str) -> None:
    altered(folder, statement)
    with ReadOnlyStore(folder) as store, pytest.raises(DamagedRun, match="the plan in its database is damaged"):
        everything(store)
    with Store(folder) as store:
        store.replace_plan(UNITS)
        assert not store.forget_damaged()


def test_index_that_does_not_fit_its_table_is_made_again_by_a_run(folder: Path) -> None:
    path = folder / "store.sqlite"
    content, key = path.read_bytes(), UNITS[5].key.encode()
    places = [at for at in range(len(content)) if content.startswith(key, at)]
    hidden = 0
    for at in places:  # of the key in both tables, in both indexes, and of its scores
        path.write_bytes(content[:at] + b"f" * 20 + content[at + 20 :])
        try:
            with ReadOnlyStore(folder) as store:
                everything(store)
            raise AssertionError("an altered key was not noticed")
        except BitlensError as error:
            if "missing from index" not in str(error):
                continue
        with Store(folder) as store:
            store.replace_plan(UNITS)
            store.forget_damaged()
            hidden += store.find(UNITS[5].key) is not None
        path.write_bytes(content)
    assert hidden


# ------------------------------------------------------------------------------------------------------- whole files
def garbage(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(5000))


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.unlink()
        make(path)

    return replace


WHOLE = {
    "garbage": garbage,
    "garbage after the header": lambda path: path.write_bytes(path.read_bytes()[:100] + bytes(4000)),
    "cut in half": half,
    "cut within the header": lambda path: path.write_bytes(path.read_bytes()[:50]),
    "cut to one page": lambda path: path.write_bytes(path.read_bytes()[:4096]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": replaced(Path.mkdir),
    "a pipe": replaced(os.mkfifo),
    "a link to itself": replaced(lambda path: path.symlink_to(path)),
    "a link to nothing": replaced(lambda path: path.symlink_to("nothing")),
    "missing": Path.unlink,
    "another program's": replaced(
        lambda path: sqlite3.connect(path).executescript("CREATE TABLE notes (text); CREATE TABLE meta (name, value)")
    ),
}


@pytest.mark.parametrize("how", WHOLE)
def test_what_is_no_run_any_more_is_refused_in_a_sentence_by_readers_and_runs(folder: Path, how: str) -> None:
    WHOLE[how](folder / "store.sqlite")
    for opened in (ReadOnlyStore, Store):
        with pytest.raises(UnreadableStore, match=r'run folder ".*": its store\.sqlite ') as caught:
            opened(folder)
        assert caught.value.exit_code == 2
        assert "\n  try: " in str(caught.value)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_random_bytes_anywhere_change_nothing_or_are_said(folder: Path, tmp_path: Path, first: int) -> None:
    """In the database, its log and its blobs: one byte, a few, or a sector."""
    truth = read_store(folder, everything)
    rng, silent, said = random.Random(first), 0, 0
    for _ in range(120):
        run = Path(shutil.copytree(folder, tmp_path / "altered"))
        path = rng.choice([run / "store.sqlite"] * 3 + sorted((run / "blobs").iterdir()))
        content = bytearray(path.read_bytes())
        at, length = rng.randrange(len(content)), rng.choice([1, 1, 4, 512])
        content[at : at + length] = rng.randbytes(len(content[at : at + length]))
        path.write_bytes(content)
        try:
            assert read_store(run, everything) == truth
            silent += 1
        except BitlensError:
            said += 1
        shutil.rmtree(run)
    assert silent  # free space, for example
    assert said > 20
