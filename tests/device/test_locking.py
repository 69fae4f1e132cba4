"""The measuring lock: one at a time, the other is told who, and the end of a process frees it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from device import locking


def test_the_second_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locking.acquire("ada from pi", wait_s=0, path=path):
        with pytest.raises(locking.DeviceBusy, match="being measured by ada from pi, since"):
            locking.acquire("bob", wait_s=0, path=path)
        assert locking.state(path)["lock_holder"].startswith("ada from pi")
    assert locking.state(path) == {"lockable": True, "lock_holder": None, "lock_problem": None}


def test_a_shorter_name_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    locking.acquire("a very long name " * 10, wait_s=0, path=path).close()
    with locking.acquire("bob", wait_s=0, path=path):
        assert str(locking.state(path)["lock_holder"]).startswith("bob, since")
        assert "very long" not in path.read_text()


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
    state = locking.state(tmp_path / "no" / "lock")
    assert not state["lockable"]
    assert "No such file" in state["lock_problem"]


def plant(path: Path, how: str) -> None:
    """What somebody may put where the lock should be."""
    mine = path.with_name("mine")
    mine.write_text("years of work")
    if how == "a link":
        path.symlink_to(mine)
    elif how == "a link to nothing":
        path.symlink_to(path.with_name("nothing"))
    elif how == "a second name":
        mine.write_text("")
        path.hardlink_to(mine)
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "a folder":
        path.mkdir()
    elif how == "a file of somebody's":
        path.write_text("years of work")
    elif how == "a huge file":
        with path.open("wb") as file:
            file.truncate(1 << 40)  # a hole


PLANTED = ["a link", "a link to nothing", "a second name", "a pipe", "a folder", "a file of somebody's", "a huge file"]


@pytest.mark.parametrize("how", PLANTED)
def test_what_is_not_a_lock_file_is_neither_followed_nor_written(tmp_path: Path, how: str) -> None:
    path = tmp_path / "lock"
    plant(path, how)
    before = path.lstat()
    with pytest.raises(locking.NoLock, match=r"lock.*(left as it is; move it away|remove it)"):
        locking.acquire("ada", wait_s=0, path=path)
    assert "lock" in locking.state(path)["lock_problem"]
    after = path.lstat()
    assert (after.st_size, after.st_mode, after.st_ino) == (before.st_size, before.st_mode, before.st_ino)
    assert (tmp_path / "mine").read_text() == ("" if how == "a second name" else "years of work")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("left", ["", "\0" * 60, "ada from pi, since 2026-01-31 08:00:00, process 17"])
def test_what_a_holder_or_a_power_cut_left_is_a_lock_file(tmp_path: Path, left: str) -> None:
    (tmp_path / "lock").write_text(left)
    with locking.acquire("bob", wait_s=0, path=tmp_path / "lock"):
        assert str(locking.state(tmp_path / "lock")["lock_holder"]).startswith("bob, since")


@pytest.mark.parametrize("holder", ["\x1b[2J\x1b[31mroot", "ada\nfrom pi", "\U000e0001" * 3000, "a" * 5000, ""])
def test_the_name_of_a_holder_is_one_bounded_line_of_plain_text(tmp_path: Path, holder: str) -> None:
    path = tmp_path / "lock"
    for _ in range(2):  # what was written is a lock file to whoever comes next
        with locking.acquire(holder, wait_s=0, path=path):
            with pytest.raises(locking.DeviceBusy) as refused:
                locking.acquire("bob", wait_s=0, path=path)
            assert str(refused.value).isprintable()
            assert len(str(refused.value)) < 400


def test_escape_codes_that_somebody_else_wrote_do_not_reach_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("\x1b[2Jeve, since 2026-01-31 08:00:00, process 17")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locking.state(path)["lock_holder"] == "\\x1b[2Jeve, since 2026-01-31 08:00:00, process 17"


def as_nobody(script: str, *arguments: object) -> str:
    """What a process of another user prints."""
    program = f"import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n{script}"
    source = "import types; text = types.ModuleType('device.text')\n"
    for name in ("text", "locking"):
        code = (Path(locking.__file__).with_name(f"{name}.py")).read_text().replace("from .text", "from device.text")
        source += f"{name} = types.ModuleType('device.{name}'); exec({code!r}, {name}.__dict__)\n"
        source += f"import sys; sys.modules['device.{name}'] = {name}\n"
    command = [sys.executable, "-c", f"{source}from pathlib import Path\n{program}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    return done.stdout.strip() + done.stderr.strip()[-300:]


@pytest.fixture
def shared_tmp() -> Iterator[Path]:
    """A folder like /tmp: everybody may write, nobody may remove another's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


ACQUIRE = "lock = locking.acquire('nobody', wait_s=0, path=Path(sys.argv[1])); print('held')"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
def test_two_users_take_turns_whoever_made_the_lock(shared_tmp: Path) -> None:
    path = shared_tmp / "lock"
    assert as_nobody(ACQUIRE, path) == "held"
    assert path.stat().st_uid == 65534
    with locking.acquire("root", wait_s=0, path=path):
        assert "being measured by root, since" in as_nobody(ACQUIRE, path)
    path.unlink()
    locking.acquire("root", wait_s=0, path=path).close()
    assert as_nobody(ACQUIRE, path) == "held"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be two users")
@pytest.mark.parametrize(("mode", "said"), [(0o644, "held"), (0o600, "Permission denied; its owner can remove it")])
def test_a_lock_that_its_owner_did_not_open_to_us_is_shared_if_it_can_be_read(
    shared_tmp: Path, mode: int, said: str
) -> None:
    path = shared_tmp / "lock"
    locking.acquire("root", wait_s=0, path=path).close()
    path.chmod(mode)
    assert said in as_nobody(ACQUIRE, path)
