"""Nobody meets half a file, and nothing half-written stays behind."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BitlensError, ConfigError
from harness.store.atomic_files import PART, remove_parts, try_writing, write_atomically, write_together
from harness.store.folder import check_writable, only_run_in, output_errors_explained

ROOT = Path(__file__).parents[3]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_failed_write_leaves_the_old_files_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "page.html", "old")

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        write_together({tmp_path / "table.csv": "new", path: "new"})
    assert path.read_text() == "old"
    assert names(tmp_path) == ["page.html"]


def test_no_file_is_replaced_before_all_are_written(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "page.html", "old")
    with pytest.raises(FileExistsError):
        write_together({path: "new", path / "inside a file": "new"})
    assert path.read_text() == "old"


def test_files_get_the_mode_that_the_user_s_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert write_atomically(tmp_path / "a", b"x").stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def half_written(folder: Path) -> subprocess.Popen[str]:
    """A process in the middle of a write."""
    script = f"""
import os, sys
def hold(*_):
    print("held", flush=True)
    sys.stdin.read()
os.fsync = hold
from pathlib import Path
from harness.store.atomic_files import write_atomically
write_atomically(Path({str(folder / "latency_samples.csv")!r}), "x" * 100000)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    living, killed = half_written(tmp_path), half_written(tmp_path)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert [name.startswith(PART) for name in names(tmp_path)] == [True, True]
    remove_parts(tmp_path)
    assert len(names(tmp_path)) == 1
    living.communicate("")
    assert names(tmp_path) == ["latency_samples.csv"]


@pytest.mark.parametrize("left", ["a folder", "a link"])
def test_what_only_looks_half_written_is_left_alone(tmp_path: Path, left: str) -> None:
    path = tmp_path / f"{PART}1"
    path.mkdir() if left == "a folder" else path.symlink_to(tmp_path / "elsewhere")
    remove_parts(tmp_path)
    remove_parts(tmp_path / "nowhere")
    assert names(tmp_path) == [path.name]


def test_trying_to_write_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    try_writing(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


UNWRITABLE = {
    "a file": lambda path: path.write_text("mine"),
    "inside a file": lambda path: path.parent.joinpath("file").write_text("mine"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a name too long": lambda path: None,
}


@pytest.mark.parametrize("how", UNWRITABLE)
def test_folder_that_cannot_be_written_is_one_sentence_and_a_request_error(tmp_path: Path, how: str) -> None:
    path = {"inside a file": tmp_path / "file" / "out", "a name too long": tmp_path / ("x" * 300)}.get(
        how, tmp_path / "out"
    )
    UNWRITABLE[how](tmp_path / "out")
    with pytest.raises(ConfigError, match=r"it cannot be written \(") as caught:
        check_writable(path, f'--out "{path}"')
    assert str(caught.value).startswith('--out "')


def test_full_disk_is_called_one() -> None:
    with pytest.raises(BitlensError, match="the disk is full") as caught, output_errors_explained('report in "x"'):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder", "a link to itself"])
def test_lock_that_is_no_file_of_ours_is_refused_and_left_as_it_was(tmp_path: Path, what: str) -> None:
    target, lock = tmp_path / "target", tmp_path / "lock"
    target.write_text("precious")
    {"a link": lambda: lock.symlink_to(target), "a pipe": lambda: os.mkfifo(lock), "a folder": lock.mkdir}.get(
        what, lambda: lock.symlink_to(lock)
    )()
    with pytest.raises(ConfigError, match="lock"), only_run_in(tmp_path):
        pass
    assert target.read_text() == "precious"


def test_kills_at_random_moments_leave_each_file_old_or_new_and_what_is_left_is_removed(tmp_path: Path) -> None:
    script = f"""
import itertools
from pathlib import Path
from harness.store.atomic_files import write_together
folder = Path({str(tmp_path)!r})
for number in itertools.count():
    write_together({{folder / name: f"{{number}} " * 100_000 for name in ("table.csv", "report.html")}})
    print(number, flush=True)
"""
    rng = random.Random(0)
    for _ in range(10):
        with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            last = [int(process.stdout.readline()) for _ in range(rng.randint(1, 10))][-1]
            process.kill()
        for name in ("table.csv", "report.html"):
            words = (tmp_path / name).read_text().split()
            assert len(words) == 100_000
            assert len(set(words)) == 1
            assert int(words[0]) >= last
    remove_parts(tmp_path)
    assert names(tmp_path) == ["report.html", "table.csv"]
