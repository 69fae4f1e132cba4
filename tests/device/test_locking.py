"""The measuring lock: one at a time, the other is told who, and the end of a process frees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from device import locking


def test_the_second_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locking.acquire("ada from pi", wait_s=0, path=path):
        with pytest.raises(locking.DeviceBusy, match="being measured by ada from pi, since"):
            locking.acquire("bob", wait_s=0, path=path)
        assert locking.state(path)["lock_holder"].startswith("ada from pi")
    assert locking.state(path) == {"lockable": True, "lock_holder": None}


def test_a_shorter_name_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    locking.acquire("a very long name " * 10, wait_s=0, path=path).close()
    with locking.acquire("bob", wait_s=0, path=path):
        assert locking.read_holder(path).startswith("bob, since")
        assert "very long" not in locking.read_holder(path)


def test_whoever_waits_learns_once_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = tmp_path / "lock", []
    holder = locking.acquire("ada", wait_s=0, path=path)
    monkeypatch.setattr(locking.time, "sleep", lambda seconds: holder.close() if len(told) == 1 else None)
    locking.acquire("bob", wait_s=30, path=path, on_wait=told.append).close()
    assert [report["stage"] for report in told] == ["waiting"]
    assert told[0]["holder"].startswith("ada")


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = (
        "import sys; from pathlib import Path; from device import locking; "
        "lock = locking.acquire('ada', wait_s=0, path=Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert locking.state(path)["lock_holder"] is not None
        other.kill()
        other.wait()
        locking.acquire("bob", wait_s=0, path=path).close()


def test_a_lock_that_cannot_be_opened_is_not_lockable(tmp_path: Path) -> None:
    assert locking.state(tmp_path / "no" / "lock") == {"lockable": False, "lock_holder": None}
