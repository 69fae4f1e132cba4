"""`bitlens convert`: converts once, notices damage, leaves nothing half-written, and names what is wrong."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from converters import FORMATS
from harness.cli.app import app
from harness.cli.convert import ALL
from harness.errors import BitlensError, ConfigError, ConversionError
from harness.execution.coordinator import run
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan, restrict
from harness.stages import conversion
from harness.store import Store, Unit
from harness.store.atomic_files import PART
from tests.harness.small_experiment import TWINS_EXPERIMENT


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(TWINS_EXPERIMENT)
    return tmp_path / "small.toml"


def bitlens(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=True)


def test_convert_makes_artifacts_once_and_again_when_one_is_damaged(experiment: Path, tmp_path: Path) -> None:
    arguments = ("convert", experiment, "--format", "lce", "--out", tmp_path / "run", "--json")
    first = json.loads(bitlens(*arguments).stdout)
    assert [(row["model"], row["format"], row["fidelity"]) for row in first] == [("planted-binary", "lce", "ok")]
    assert first[0]["note"] == ""  # all its binarized layers are binary

    again = bitlens(*arguments)
    assert "0 to do" in again.stderr
    assert json.loads(again.stdout) == first

    with Store(tmp_path / "run") as store:
        unit = next(store.planned_units("conversion"))
        artifact = store.blob_path(unit.result["blob"])
    content = artifact.read_bytes()
    artifact.write_bytes(content[: len(content) // 2])
    repaired = bitlens(*arguments)
    assert "1 unit had damaged results and is done again" in repaired.stderr
    assert artifact.read_bytes() == content


def test_convert_wants_an_experiment_or_all_and_knows_its_names(experiment: Path) -> None:
    for arguments, sentence in (
        ((), "expected an experiment file, or --all"),
        ((experiment, "--all"), "expected an experiment file, or --all"),
        ((experiment, "--model", "planted-flaot"), '"planted-float"'),
        ((experiment, "--format", "int8"), 'expected a format of the experiment, got "int8"'),
    ):
        error = bitlens("convert", *arguments).exception
        assert isinstance(error, ConfigError)
        assert sentence in str(error)


def test_all_names_every_model_of_the_catalogue_and_every_format_that_we_make() -> None:
    from harness.models.catalogue import CATALOGUE

    everything = read_experiment(ALL)
    assert {model.name for model in everything.models} == {n for n, entry in CATALOGUE.items() if not entry.shuffled}
    made = {name for name, spec in FORMATS.items() if spec.families and not name.endswith("-original")}
    assert set(everything.formats) == made
    assert {model.weights for model in everything.models} == {"trained", "random"}


def test_conversion_needs_only_the_images_that_calibrate_and_compare(experiment: Path, tmp_path: Path) -> None:
    from harness.datasets.planted import PlantedDataset

    units = restrict(
        plan(read_experiment(experiment), lambda model: PlantedDataset(seed=0)), ("conversion", "fidelity")
    )
    assert [unit.kind for unit in units] == ["images", *["conversion"] * 3, *["fidelity"] * 3]


# -------------------------------------------------------------------------------------------------------- full disk
def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(tmp_path) as store:
        monkeypatch.setattr("harness.store.blobs.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.save_blob(b"artifact")
    assert list((tmp_path / "blobs").iterdir()) == []


def eight_bytes(model: object, calibration: object) -> bytes:
    return b"artifact"


def test_full_disk_is_one_sentence_that_names_the_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "fp32", dataclasses.replace(FORMATS["fp32"], convert=f"{__name__}:eight_bytes"))
    monkeypatch.setattr("harness.store.blobs.os.fsync", full)
    unit = Unit(kind="conversion", spec={"model": {"name": "mine"}, "format": "fp32"})
    with Store(tmp_path) as store:
        context: Any = SimpleNamespace(store=store, keras_model=lambda name: None)
        with pytest.raises(ConversionError) as caught:
            conversion.perform(unit, context, lambda fraction: None)
    sentence, hint = str(caught.value).split("\n  try: ")
    assert sentence == 'model "mine" as fp32: the artifact of 8 bytes could not be written (No space left on device)'
    assert "--out" in hint


def test_what_a_killed_process_left_is_swept_up_by_the_next_run(experiment: Path, tmp_path: Path) -> None:
    part = tmp_path / "run" / "blobs" / f"{PART}abc"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    run(read_experiment(experiment), tmp_path / "run", stages=())
    assert not part.exists()


def test_missing_calibration_images_are_refused_before_anything_is_converted(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text(
        TWINS_EXPERIMENT.replace('"lce"', '"int8"') + "[conversion]\ncalibration_images = 90000\n"
    )
    with pytest.raises(BitlensError, match="calibration_images: 90,000 images of the train split"):
        run(read_experiment(tmp_path / "e.toml"), tmp_path / "run", stages=("conversion",))
