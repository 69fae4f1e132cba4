"""A folder of another version is brought to the present schema, or refused in one sentence, and never misread."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from converters import FORMATS
from harness.errors import BitlensError, ConfigError
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan
from harness.stages import conversion
from harness.stages.context import RunContext
from harness.store import Store, UnreadableStore, migration
from harness.store.folder import only_run_in, store_errors_explained
from harness.store.tables import SCHEMA_VERSION
from harness.store.units import canonical_json

RECORDED = Path(__file__).parents[2] / "recorded"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED / "schema1", tmp_path / "run"))


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(folder / "store.sqlite")
    selected = database.execute(query).fetchall()
    database.close()
    return selected


def test_a_folder_of_schema_1_needs_only_maps_of_activations_and_of_devices_done_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default layer is another one now, and devices get changed images as floats; other units keep their keys."""
    with Store(folder) as store:
        made = next(store.planned_units("conversion"))
        recorded = made.spec["versions"]  # of the converters then
        monkeypatch.setattr(conversion, "version", recorded.__getitem__)
        monkeypatch.setattr(conversion, "VERSIONS", tuple(recorded))
        formats = {name: replace(spec, recipe=made.spec["recipe"]) for name, spec in FORMATS.items()}
        monkeypatch.setattr(conversion, "FORMATS", formats)
        experiment = read_experiment(RECORDED / "twins.toml")
        planned = plan(experiment, RunContext(experiment, store).dataset_of)
        moved: set[str] = set()
        for unit in planned:  # what a unit builds on comes before it
            spec = canonical_json(unit.spec)
            if (
                "last_activation" in spec
                or unit.spec.get("inputs") == "float32"
                or moved.intersection(unit.needs.values())
            ):
                moved.add(unit.key)
        assert store.schema_found == 1
        finished = store.finished()
        assert set(finished.values()) == {"done"}
        assert finished.keys() == {unit.key for unit in store.planned_units()}
        assert {unit.key for unit in planned} - finished.keys() == moved
        assert len(finished) == len(planned)
        assert {unit.kind for unit in planned if unit.key in moved} == {"saliency", "quality", "agreement", "sanity"}


def test_every_row_of_schema_1_stays_with_its_unit(folder: Path) -> None:
    query = "SELECT u.kind, {} FROM {} JOIN unit u ON u.key = unit"
    wanted = {
        "score": ("image, value, score.reason", "score"),
        "prediction": ("image, label, ranked, scores", "prediction"),
    }
    before = {name: Counter(rows(folder, query.format(*what))) for name, what in wanted.items()}
    with Store(folder):
        pass
    for name, what in wanted.items():
        after = Counter(rows(folder, query.format(*what)))
        assert sum(after.values()) == len(rows(folder, f"SELECT * FROM {name}"))
        assert after == before[name]


def test_a_void_latency_of_schema_1_is_an_invalid_one(folder: Path) -> None:
    query = "SELECT json_extract(result, '$.verdict') FROM unit WHERE kind = 'latency' ORDER BY finished_at, rowid"
    database = sqlite3.connect(folder / "store.sqlite")
    with database:
        key = "(SELECT min(key) FROM unit WHERE kind = 'latency')"
        database.execute(f"UPDATE unit SET result = json_set(result, '$.verdict', 'void') WHERE key = {key}")
    database.close()
    before = [str(validity) for (validity,) in rows(folder, query)]
    with Store(folder):
        pass
    assert before.count("void") == 1
    assert [validity for (validity,) in rows(folder, query)] == [v.replace("void", "invalid") for v in before]


def test_the_command_of_schema_1_was_not_the_true_one_and_is_forgotten(folder: Path) -> None:
    assert rows(folder, "SELECT value FROM meta WHERE name = 'command'") == [("bitlens run twins.toml",)]
    with Store(folder) as store:
        assert store.meta("command") is None
        assert store.meta("experiment_name") == "twins"


def test_a_folder_is_brought_to_the_present_schema_once(folder: Path) -> None:
    for schema in (1, SCHEMA_VERSION):
        with Store(folder) as store:
            assert store.schema_found == schema


def test_a_change_that_fails_midway_leaves_the_folder_as_it_was(folder: Path) -> None:
    before = (
        rows(folder, "SELECT * FROM unit"),
        rows(folder, "SELECT * FROM planned"),
        rows(folder, "SELECT * FROM score"),
    )
    database = sqlite3.connect(folder / "store.sqlite")
    database.execute("CREATE TRIGGER stop BEFORE UPDATE ON score BEGIN SELECT RAISE(ABORT, 'power cut'); END")
    database.close()
    with pytest.raises(ConfigError, match="power cut"):
        Store(folder)
    after = (
        rows(folder, "SELECT * FROM unit"),
        rows(folder, "SELECT * FROM planned"),
        rows(folder, "SELECT * FROM score"),
    )
    assert after == before
    assert rows(folder, "SELECT value FROM meta WHERE name = 'schema'") == [("1",)]


def test_a_full_disk_is_called_one_and_leaves_the_folder_as_it_was(folder: Path) -> None:
    before = rows(folder, "SELECT * FROM unit")
    database = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    database.execute("PRAGMA max_page_count = 1")  # no page more than there are
    with pytest.raises(BitlensError, match="the disk is full"), store_errors_explained():
        migration.prepare(database, folder)
    database.close()
    assert rows(folder, "SELECT * FROM unit") == before
    with Store(folder) as store:
        assert store.schema_found == 1


def test_a_folder_in_which_an_older_run_is_at_work_is_left_to_it(folder: Path) -> None:
    before = rows(folder, "SELECT * FROM unit")
    with only_run_in(folder), pytest.raises(UnreadableStore, match="of an older bitlens, and a run is working in it"):
        Store(folder)
    assert rows(folder, "SELECT * FROM unit") == before
    with only_run_in(folder), Store(folder, is_locked=True) as store:
        assert store.schema_found == 1


def test_a_unit_keeps_its_key_wherever_it_and_what_it_needs_stand(folder: Path, tmp_path: Path) -> None:
    """Done or failed, or only planned; of the latest plan, or of one before."""
    whole = Path(shutil.copytree(folder, tmp_path / "whole"))
    change = sqlite3.connect(folder / "store.sqlite")
    with change:
        change.execute("DELETE FROM planned WHERE kind IN ('images', 'conversion', 'saliency', 'limits')")
        change.execute("DELETE FROM unit WHERE kind IN ('fidelity', 'agreement')")
        change.execute("UPDATE unit SET status = 'failed', result = '{}' WHERE kind = 'sanity'")
    change.close()
    for run in (folder, whole):
        with Store(run):
            pass
    assert rows(folder, "SELECT key, kind FROM unit UNION SELECT key, kind FROM planned ORDER BY key") == rows(
        whole, "SELECT key, kind FROM unit ORDER BY key"
    )
    needs = "SELECT key, spec, needs FROM {} UNION SELECT key, spec, needs FROM {} ORDER BY key"
    assert rows(folder, needs.format("unit", "planned")) == rows(whole, needs.format("unit", "unit"))


def test_what_builds_on_a_unit_that_nobody_knows_keeps_its_rows(folder: Path) -> None:
    """A damaged conversion that was forgotten, and is not in the latest plan."""
    (conversion_1,) = rows(folder, "SELECT min(key) FROM unit WHERE kind = 'conversion'")[0]
    change = sqlite3.connect(folder / "store.sqlite")
    with change:
        change.execute("DELETE FROM planned")
        change.execute("DELETE FROM unit WHERE key = ?", (conversion_1,))
    change.close()
    users = f"SELECT count(*) FROM prediction JOIN unit ON key = unit WHERE {{}} = '{conversion_1}'"
    before = rows(folder, users.format("json_extract(spec, '$.conversion')"))
    with Store(folder):
        pass
    assert before[0] > (0,)
    assert rows(folder, users.format("json_extract(needs, '$.conversion')")) == before


def test_a_folder_of_a_newer_bitlens_is_refused_and_left_alone(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_meta("schema", str(SCHEMA_VERSION + 1))
    before = (tmp_path / "store.sqlite").read_bytes()
    with pytest.raises(
        ConfigError, match=f"newer bitlens: expected schema {SCHEMA_VERSION} or older, got {SCHEMA_VERSION + 1}"
    ):
        Store(tmp_path)
    assert (tmp_path / "store.sqlite").read_bytes() == before


@pytest.mark.parametrize("statement", ["CREATE TABLE notes (text)", "CREATE TABLE meta (name, value)"])
def test_another_program_s_database_is_refused(tmp_path: Path, statement: str) -> None:
    database = sqlite3.connect(tmp_path / "store.sqlite")
    database.execute(statement)
    database.close()
    with pytest.raises(ConfigError, match="not a run's database"):
        Store(tmp_path)


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"power was cut here" * 300)
    with pytest.raises(ConfigError, match="not a run's database"):
        Store(tmp_path)
