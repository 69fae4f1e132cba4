"""The table of artifacts, and that the documents show the one of the stored run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.artifact_table import as_json, as_markdown, as_text, rows
from harness.cli.convert import ALL
from harness.experiment.reader import read_experiment
from harness.store import Outcome, Store, Unit

DOCS = Path(__file__).parents[3] / "docs"
CONTENTS = {"macs": {"binary": 0, "int8": 0, "float": 1_500_000}, "parameters": 7, "arena_bytes": 64}


def conversion(format_name: str) -> Unit:
    model = {"name": "mine", "weights": "trained"}
    return Unit(kind="conversion", spec={"model": model, "format": format_name})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three artifacts: one faithful, one that is not, and one that could not be made."""
    made = [conversion(name) for name in ("fp32", "int8", "lce")]
    compared = [Unit(kind="fidelity", spec={}, needs={"conversion": unit.key}) for unit in made[:2]]
    results: list[dict[str, Any]] = [
        {"top1_agreement": 1.0, "near_ties": 0, "max_abs_logit_difference": 1e-5, "relative_difference": 1e-6,
         "status": "ok", "reason": ""},
        {"top1_agreement": 0.5, "near_ties": 2, "max_abs_logit_difference": 3.0, "relative_difference": 0.4,
         "status": "suspect", "reason": "top-1 agrees on half"},
    ]  # fmt: skip
    with Store(tmp_path) as store:
        store.replace_plan([*made, *compared])
        for unit in made[:2]:
            result = {"blob": store.save_blob(unit.spec["format"].encode()), "flatbuffer_bytes": 1234567}
            result["note"] = "1 of 2 layers computes in floats" if unit is made[0] else ""
            store.commit(unit, Outcome(result={**result, "contents": CONTENTS}), seconds=2.5)
        store.fail(made[2], "no layer is binarized", seconds=0.1)
        for unit, result in zip(compared, results):
            store.commit(unit, Outcome(result=result), seconds=1.0)
    return tmp_path


def test_every_artifact_has_a_row_that_says_whether_it_is_faithful(folder: Path) -> None:
    table = rows(folder)
    assert [(row["format"], row["status"], row["fidelity"]) for row in table] == [
        ("fp32", "done", "ok"),
        ("int8", "done", "suspect"),
        ("lce", "failed", None),
    ]
    assert json.loads(as_json(table)) == table


def test_text_says_what_an_artifact_does_not_do(folder: Path) -> None:
    assert "mine fp32: 1 of 2 layers computes in floats" in as_text(rows(folder))


def test_text_gives_the_reason_of_what_is_not_in_order(folder: Path) -> None:
    text = as_text(rows(folder))
    assert "1,234,567" in text
    assert "1.5 M float" in text
    assert "50.0% (2 near-ties)" in text
    assert "mine int8: top-1 agrees on half" in text
    assert "mine lce: no layer is binarized" in text


def test_documents_show_the_table_of_the_stored_run() -> None:
    table = json.loads((DOCS / "converters.json").read_text())
    assert as_markdown(table) in (DOCS / "converters.md").read_text()


def test_stored_run_has_all_ten_models_in_every_format_that_fits() -> None:
    from converters import FORMATS
    from harness.models.catalogue import CATALOGUE

    table = json.loads((DOCS / "converters.json").read_text())
    expected = {
        (n, f)
        for n, entry in CATALOGUE.items()
        for f in read_experiment(ALL).formats
        if entry.family in FORMATS[f].families and not entry.shuffled
    }
    assert {(row["model"], row["format"]) for row in table if row["status"] == "done"} == expected
