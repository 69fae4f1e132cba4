"""Folders and files on a device: ours alone, whole after a power cut, and removed only where we made them."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from device import files

CONTENT = b"an artifact" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to have files of another user")


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.mark.parametrize("already", ["missing", "empty", "marked"])
def test_a_cache_that_we_made_or_found_empty_is_ours_and_private(tmp_path: Path, already: str) -> None:
    folder = tmp_path / "a" / "cache"
    if already != "missing":
        folder.mkdir(parents=True, mode=0o755)
    if already == "marked":
        (folder / files.MARKER).touch()
        (folder / "mine.txt").write_text("kept")
    claimed = files.claim_cache(str(folder))
    assert files.is_ours(claimed)
    assert mode(claimed) == 0o700
    assert files.claim_cache(str(folder)) == claimed
    assert (folder / "mine.txt").exists() == (already == "marked")


@pytest.mark.parametrize("what", ["venv", "artifacts", "agent", "holiday.jpg"])
@pytest.mark.parametrize("adopt", [False, True])
def test_a_folder_of_somebodys_own_things_is_refused_and_left_as_it_is(tmp_path: Path, what: str, adopt: bool) -> None:
    if adopt and what == "holiday.jpg":
        pytest.skip("at its default place, what bitlens never touches may lie beside what it made")
    folder = tmp_path / "mine"
    (folder / what).mkdir(parents=True)
    (folder / what / "thesis.txt").write_text("years of work")
    folder.chmod(0o755)
    with pytest.raises(PermissionError, match=r"was not made by bitlens .* left as it is; give the device another"):
        files.claim_cache(str(folder), adopt=adopt)
    assert (folder / what / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in folder.iterdir()) == [what]
    assert mode(folder) == 0o755


@pytest.mark.parametrize(
    "left",
    [
        ["artifacts/" + "0" * 64, "agent/" + "f" * 64 + "/device/agent.py", "lce_ops/x86_64-0123456789abcdef/lib.so"],
        ["venv/bitlens-requirements", "venv/bin/python", "venv/pyvenv.cfg"],
        ["aarch64-bookworm/root/etc/passwd", "aarch64-bookworm/instructions.so", "artifacts/part-17"],
    ],
)
def test_what_an_earlier_version_left_at_the_default_place_is_adopted(tmp_path: Path, left: list[str]) -> None:
    for name in left:
        (tmp_path / "bitlens" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bitlens" / name).touch()
    with pytest.raises(PermissionError):
        files.claim_cache(str(tmp_path / "bitlens"))
    assert files.is_ours(files.claim_cache(str(tmp_path / "bitlens"), adopt=True))


@pytest.mark.parametrize("link", ["venv", "agent", "artifacts"])
def test_a_link_is_not_adopted(tmp_path: Path, link: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "bitlens").mkdir()
    (tmp_path / "bitlens" / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        files.claim_cache(str(tmp_path / "bitlens"), adopt=True)


def test_two_agents_may_claim_a_folder_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is faster just between our two looks."""
    listdir = os.listdir

    def meanwhile(folder: str) -> list[str]:
        (tmp_path / "cache" / files.MARKER).touch()
        (tmp_path / "cache" / "agent").mkdir()
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", meanwhile)
    assert files.is_ours(files.claim_cache(str(tmp_path / "cache")))


def test_an_empty_folder_that_others_share_is_not_taken_from_them(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    with pytest.raises(PermissionError, match="is shared with other users"):
        files.claim_cache(str(tmp_path / "shared"))
    assert mode(tmp_path / "shared") == 0o1777


def test_a_folder_where_anybody_could_put_another_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError, match=r"to which every user may write.*chmod o-w"):
        files.claim_cache(str(tmp_path / "open" / "cache"))
    (tmp_path / "open").chmod(0o1777)  # as /tmp is
    files.claim_cache(str(tmp_path / "open" / "cache"))


def test_a_file_in_the_place_of_the_cache_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(PermissionError, match="cache is not a folder; remove it, or give the device another"):
        files.claim_cache(str(tmp_path / "cache"))
    assert (tmp_path / "cache").read_text() == "not a folder"


@needs_root
@pytest.mark.parametrize("check", [files.claim_cache, files.private_folder])
def test_a_folder_of_another_user_is_refused_with_both_names(tmp_path: Path, check: Callable[[str], str]) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / files.MARKER).touch()
    os.chown(folder, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to user 65534, and this runs as user 0; log in as its owner"):
        check(str(folder))


@needs_root
def test_a_marker_that_another_user_made_says_nothing(tmp_path: Path) -> None:
    (tmp_path / files.MARKER).touch()
    os.chown(tmp_path / files.MARKER, 65534, 65534)
    with pytest.raises(PermissionError, match="was not made by bitlens"):
        files.claim_cache(str(tmp_path))


def test_a_folder_within_the_cache_is_closed_to_others_and_never_a_link(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir(mode=0o777)
    assert mode(files.private_folder(str(tmp_path / "artifacts"))) == 0o700
    (tmp_path / "agent").symlink_to(tmp_path / "artifacts")
    with pytest.raises(PermissionError, match="is a symbolic link"):
        files.private_folder(str(tmp_path / "agent"))


def plant(path: Path, how: str) -> None:
    """Something else than the whole file in its place."""
    whole = path.with_name("whole")
    whole.write_bytes(CONTENT)
    if how == "cut to nothing":
        path.touch()
    elif how == "cut in half":
        path.write_bytes(CONTENT[: len(CONTENT) // 2])
    elif how == "zeros":
        path.write_bytes(bytes(len(CONTENT)))
    elif how == "altered":
        path.write_bytes(CONTENT[:-1] + b"!")
    elif how == "a link":
        path.symlink_to(whole)
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "a folder":
        (path / "in it").mkdir(parents=True)
    elif how == "open to others":
        path.write_bytes(CONTENT)
        path.chmod(0o666)


WRONG = ["cut to nothing", "cut in half", "zeros", "altered", "a link", "a pipe", "a folder", "open to others"]


@pytest.mark.parametrize("how", [*WRONG, "missing"])
def test_what_is_not_the_file_that_was_written_is_removed_and_never_used(tmp_path: Path, how: str) -> None:
    for number, check in enumerate((files.read_whole, files.is_whole)):
        path = tmp_path / str(number) / "file"
        path.parent.mkdir()
        plant(path, how)
        assert not check(str(path), SHA256)
        assert not os.path.lexists(path)
        assert path.with_name("whole").read_bytes() == CONTENT  # what a link pointed to is there still


def test_a_file_is_written_whole_private_and_over_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"older")
    path.chmod(0o644)
    files.write_whole(str(path), CONTENT)
    assert files.read_whole(str(path), SHA256) == CONTENT
    assert files.is_whole(str(path), SHA256)
    assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the calls: the bytes, the name, the folder that holds the name."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda old, new: (calls.append("named"), replace(old, new)))
    files.write_whole(str(tmp_path / "file"), CONTENT)
    assert [Path(call).name.split("-")[0] for call in calls] == ["part", "named", tmp_path.name.split("-")[0]]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_power_cut_while_writing_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"older")

    def cut(*arguments: object) -> None:
        raise KeyboardInterrupt("the power failed")

    monkeypatch.setattr(os, step, cut)
    with pytest.raises(KeyboardInterrupt):
        files.write_whole(str(path), CONTENT)
    assert path.read_bytes() == b"older"
