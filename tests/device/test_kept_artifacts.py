"""Artifacts and libraries in the cache of a device: altered ones are found before anything loads them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from device.artifacts import KEPT_BYTES, Artifacts
from tests.device.test_own_files import CONTENT, SHA256, WRONG, mode, plant


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(str(tmp_path))


def put(artifacts: Artifacts, content: bytes = CONTENT) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    assert not artifacts.receive(sha256, size=len(content), offset=0, content=b"")
    assert artifacts.receive(sha256, size=len(content), offset=0, content=content)
    return sha256


@pytest.mark.parametrize("how", WRONG)
def test_an_artifact_altered_after_it_was_put_is_found_before_it_is_loaded(
    artifacts: Artifacts, tmp_path: Path, how: str
) -> None:
    path = Path(artifacts.use(put(artifacts)))
    path.unlink()
    plant(path, how)
    with pytest.raises(OSError, match="was altered on this device after it had been sent; it was removed"):
        artifacts.use(SHA256)
    put(artifacts)
    assert Path(artifacts.use(SHA256)).read_bytes() == CONTENT


def test_an_artifact_that_was_never_put_says_so(artifacts: Artifacts) -> None:
    with pytest.raises(FileNotFoundError, match="send it first"):
        artifacts.use("0" * 64)


@pytest.mark.parametrize("name", ["../venv", "", "0" * 63, "F" * 64, "/etc/passwd"])
def test_an_artifact_has_no_other_name_than_its_hash(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(ValueError, match="expected the SHA-256"):
        artifacts.use(name)


def test_what_is_kept_is_private(artifacts: Artifacts, tmp_path: Path) -> None:
    path = Path(artifacts.use(put(artifacts)))
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


def test_room_is_made_by_dropping_artifacts_and_nothing_else(artifacts: Artifacts, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    for name in ("a" * 64, "notes.txt", "b" * 64):
        with (folder / name).open("wb") as file:
            file.truncate(KEPT_BYTES)  # a hole
    (folder / ("c" * 64)).symlink_to(folder / "notes.txt")
    put(artifacts)
    assert {path.name for path in folder.iterdir()} >= {"notes.txt", SHA256}
    assert not (folder / ("a" * 64)).exists()
    assert (folder / "notes.txt").stat().st_size == KEPT_BYTES


def test_a_folder_of_artifacts_that_leads_elsewhere_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ("0" * 64)).write_text("kept")
    (tmp_path / "artifacts").symlink_to(tmp_path / "mine")
    for ask in (lambda: put(artifacts), lambda: artifacts.use("0" * 64), artifacts.free_bytes):
        with pytest.raises(PermissionError, match="is a symbolic link"):
            ask()
    assert (tmp_path / "mine" / ("0" * 64)).read_text() == "kept"


def test_an_upload_that_was_begun_again_leaves_nothing_behind(artifacts: Artifacts, tmp_path: Path) -> None:
    for _ in range(3):
        artifacts.receive(SHA256, size=len(CONTENT), offset=0, content=CONTENT[:10])
    put(artifacts)
    assert os.listdir(tmp_path / "artifacts") == [SHA256]
