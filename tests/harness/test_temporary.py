"""What a process leaves in the temporary folder: nothing at its end, and nothing for long when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness.temporary import PREFIX, own_folder, use_own_temporary_folder

WORK = """
import os, sys, tempfile
from harness.temporary import use_own_temporary_folder

use_own_temporary_folder()
with tempfile.NamedTemporaryFile(prefix="left-behind-", delete=False) as file:
    print(file.name, flush=True)
"""
WAIT = WORK + "sys.stdin.read()\n"
FORK = WORK + "if os.fork() == 0: sys.exit()\nos.wait()\nprint(os.path.exists(file.name))\n"
AUTOGRAPH = """
import sys
from harness import keras_packages
from harness.temporary import use_own_temporary_folder

use_own_temporary_folder()
keras_packages.set_up()
import tensorflow as tf

tf.autograph.to_graph(use_own_temporary_folder)  # any Python function that has a file
print("ready", flush=True)
sys.stdin.read()
"""


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_process_that_ends_leaves_nothing(tmp_path: Path) -> None:
    for code in (WORK, WORK + "raise SystemExit(3)", WORK + "raise ValueError"):
        out, _ = start(code + "\n", tmp_path).communicate()
        assert out.startswith(f"{tmp_path}/bitlens-scratch-")
        assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    killed = start(WAIT, tmp_path)
    assert killed.stdout is not None
    left = Path(killed.stdout.readline().strip())
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert left.exists()
    start(WORK, tmp_path).communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_process_at_work_keeps_its_folder(tmp_path: Path) -> None:
    first = start(WAIT, tmp_path)
    assert first.stdout is not None
    mine = Path(first.stdout.readline().strip())
    start(WORK, tmp_path).communicate()
    assert mine.exists()
    first.communicate()
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_that_ends_leaves_the_folder_to_its_parent(tmp_path: Path) -> None:
    out, _ = start(FORK, tmp_path).communicate()
    assert out.split()[-1] == "True"


def test_files_of_autograph_go_with_their_process_however_it_ends(tmp_path: Path) -> None:
    for ends in (True, False):
        process = start(AUTOGRAPH, tmp_path)
        assert process.stdout is not None
        while process.stdout.readline() not in ("ready\n", ""):
            pass
        assert list(tmp_path.glob("bitlens-scratch-*/__autograph_generated_file*.py"))
        if not ends:
            process.kill()
        process.communicate()
        assert bool(list(tmp_path.iterdir())) is not ends
    start(WORK, tmp_path).communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder that others may read", "link", "file", "folder of another name"])
def test_what_only_looks_like_a_leftover_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    mine, around = tmp_path / "mine", tmp_path / "around"
    mine.mkdir(mode=0o700)
    around.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(around))
    (mine / "letter").write_text("dear")
    found = around / f"{PREFIX}x"
    if what == "link":
        found.symlink_to(mine)
    elif what == "file":
        found.write_text("dear")
    elif what == "folder of another name":
        found = around / "bitlens-runs"
        found.mkdir(mode=0o700)
    else:
        found.mkdir(mode=0o755)
    with own_folder():
        pass
    assert os.path.lexists(found)
    assert (mine / "letter").read_text() == "dear"


def test_a_folder_that_another_process_removes_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[Path] = []

    def lock_too_late(descriptor: int, how: int) -> None:
        if not removed:
            removed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            removed[0].rmdir()

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("fcntl.flock", lock_too_late)
    with own_folder() as folder:
        assert folder.exists()
        assert folder not in removed


def test_a_folder_that_another_process_removes_before_it_is_opened_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed: list[str] = []
    make = tempfile.mkdtemp

    def make_what_goes_at_once(**arguments: str) -> str:
        folder = make(**arguments)
        if not removed:
            removed.append(folder)
            os.rmdir(folder)
        return folder

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile, "mkdtemp", make_what_goes_at_once)
    with own_folder() as folder:
        assert folder.exists()
        assert str(folder) not in removed


def test_no_room_for_a_folder_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing"):
        use_own_temporary_folder()
    assert tempfile.tempdir == str(tmp_path / "missing")
