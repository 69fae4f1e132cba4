"""What a process leaves in the temporary folder: nothing at its end, and nothing for long when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import temporary

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


@pytest.mark.parametrize("kind", ["link", "file", "without a lock", "lock is a link"])
def test_what_only_looks_like_a_leftover_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "lock").touch()
    strange = tmp_path / "around" / "bitlens-scratch-x"
    strange.parent.mkdir()
    if kind == "link":
        strange.symlink_to(precious)
    elif kind == "file":
        strange.touch()
    else:
        strange.mkdir()
        if kind == "lock is a link":
            (strange / "lock").symlink_to(precious / "lock")
    temporary._sweep(strange.parent)
    assert strange.exists()
    assert (precious / "lock").exists()


def test_no_room_for_a_folder_is_no_reason_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="missing"):
        temporary.use_own_temporary_folder()
    assert tempfile.tempdir == str(tmp_path / "missing")
