"""A run's artifacts under readable names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from harness.cli.app import app
from harness.errors import ConfigError
from harness.store import Outcome, Store, Unit
from harness.store.artifact_files import export_artifacts, file_names, name_artifacts


def unit(model: str, format_name: str = "fp32") -> Unit:
    return Unit(kind="conversion", spec={"model": {"name": model}, "format": format_name})


def run_of(folder: Path, *units: Unit) -> Path:
    """A run in which these conversions are done; each blob is the name of its model and format."""
    with Store(folder) as store:
        store.replace_plan([*units, unit("not yet")])
        for each in units:
            content = f"{each.spec['model']['name']} {each.spec['format']}".encode(errors="replace")
            store.commit(each, Outcome(result={"blob": store.save_blob(content)}), seconds=1.0)
    return folder


def exported(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_in_its_own_folder_an_artifact_is_one_more_name_of_the_same_file(tmp_path: Path) -> None:
    run = run_of(tmp_path, unit("mine"), unit("mine", "int8"))
    assert exported(run).stdout.splitlines() == [f"{run}/artifacts/mine-{name}.tflite" for name in ("fp32", "int8")]
    files = name_artifacts(run).files  # twice is as once
    assert sorted(os.listdir(run / "artifacts")) == ["mine-fp32.tflite", "mine-int8.tflite"]
    assert {file.stat().st_ino for file in files} == {blob.stat().st_ino for blob in (run / "blobs").iterdir()}


def test_links_of_earlier_versions_and_other_artifacts_are_replaced(tmp_path: Path) -> None:
    run = run_of(tmp_path, unit("a"), unit("b"))
    (run / "artifacts").mkdir()
    (run / "artifacts" / "a-fp32.tflite").symlink_to("nowhere")
    (run / "artifacts" / "b-fp32.tflite").write_bytes(b"of an earlier plan")
    a, b = name_artifacts(run).files
    assert (a.read_bytes(), b.read_bytes(), a.is_symlink()) == (b"a fp32", b"b fp32", False)


def test_where_there_are_no_further_names_it_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError("not on this file system")

    monkeypatch.setattr(os, "link", refuse)
    [file] = name_artifacts(run_of(tmp_path, unit("mine"))).files
    assert file.read_bytes() == b"mine fp32"
    assert file.stat().st_nlink == 1


def test_elsewhere_they_are_copies_that_change_no_run(tmp_path: Path) -> None:
    run, out = run_of(tmp_path / "run", unit("mine")), tmp_path / "board" / "models"
    assert exported(run, "--out", out).exit_code == 0
    (out / "mine-fp32.tflite").write_bytes(b"changed")
    [blob] = (run / "blobs").iterdir()
    assert blob.read_bytes() == b"mine fp32"


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    run, out = run_of(tmp_path / "run", unit("mine")), tmp_path / "out"
    export_artifacts(run, out)
    export_artifacts(run, out)  # the same file is none
    (out / "mine-fp32.tflite").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r'mine-fp32.tflite": it is there already, and it is another file'):
        export_artifacts(run, out)
    assert (out / "mine-fp32.tflite").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "a\\b", ".hidden", "-rf", "net: v2", "\033[31m", "n\u202eet"])
def test_an_odd_name_is_a_file_of_the_folder_and_said(name: str, tmp_path: Path) -> None:
    written = name_artifacts(run_of(tmp_path, unit(name)))
    assert [path.parent for path in written.files] == [tmp_path / "artifacts"]
    assert written.files[0].name.isprintable()
    assert written.files[0].name[0] not in ".-"
    assert "its own name is no file name" in written.remarks[0]


@given(st.lists(st.tuples(st.text(), st.sampled_from(["fp32", "int8", "lce-int8"])), unique=True))
def test_every_artifact_has_a_file_of_its_own(artifacts: list[tuple[str, str]]) -> None:
    names = file_names(artifacts)
    assert len({name.casefold() for name in names}) == len(artifacts)
    assert all("/" not in name and len(name.encode()) <= 255 and name.isprintable() for name in names)


def test_names_that_come_out_alike_get_digits_and_the_others_none(tmp_path: Path) -> None:
    units = [
        unit("a/b"),
        unit("a b"),
        unit("Net"),
        unit("net"),
        unit("m", "lce-int8"),
        unit("m-lce", "int8"),
        unit("c"),
    ]
    written = name_artifacts(run_of(tmp_path, *units))
    assert {path.read_bytes() for path in written.files} == {
        path.read_bytes() for path in (tmp_path / "blobs").iterdir()
    }
    assert written.files[-1].name == "c-fp32.tflite"
    assert len(written.remarks) == 6


def test_names_of_any_language_stay(tmp_path: Path) -> None:
    written = name_artifacts(run_of(tmp_path, unit("Gänseblümchen"), unit("模型")))
    assert [path.name for path in written.files] == ["Gänseblümchen-fp32.tflite", "模型-fp32.tflite"]
    assert written.remarks == ()


def test_a_damaged_artifact_costs_one_line_and_the_others_are_there(tmp_path: Path) -> None:
    run, out = run_of(tmp_path / "run", unit("a"), unit("b")), tmp_path / "out"
    blob = next(path for path in (run / "blobs").iterdir() if path.read_bytes() == b"a fp32")
    blob.write_bytes(b"A fp32")
    result = exported(run, "--out", out)
    assert getattr(result.exception, "exit_code", None) == 1
    assert 'model "a" as fp32: its file in the run is missing or damaged' in str(result.exception)
    assert os.listdir(out) == ["b-fp32.tflite"]


def test_a_run_without_artifacts_and_a_folder_that_is_none_are_sentences(tmp_path: Path) -> None:
    assert "it has no artifact yet" in str(exported(run_of(tmp_path / "run")).exception)
    missing = exported(tmp_path / "nothing").exception
    assert isinstance(missing, ConfigError)
    (tmp_path / "file").touch()
    blocked = exported(run_of(tmp_path / "other", unit("a")), "--out", tmp_path / "file").exception
    assert isinstance(blocked, ConfigError)
