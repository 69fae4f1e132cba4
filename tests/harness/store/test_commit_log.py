"""Commits that a damaged log has lost are missed, though SQLite says nothing of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BitlensError
from harness.store import Store, read_store
from harness.store.opening import NOTED
from tests.harness.store.small_store import UNITS, everything, outcome


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that is done."""
    with Store(tmp_path / "run") as store:
        store.replace_plan(UNITS)
        for number, unit in enumerate(UNITS):
            store.commit(unit, outcome(store, number), seconds=0.5)
    return tmp_path / "run"


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that was killed with its log beside it: nothing of it had come into the database's own file."""
    script = f"""
import os, signal
from pathlib import Path
from tests.harness.store.small_store import UNITS, outcome
from harness.store import Store
store = Store(Path({str(tmp_path / "run")!r}))
store.replace_plan(UNITS)
for number, unit in enumerate(UNITS):
    store.commit(unit, outcome(store, number), seconds=0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[3], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "run" / "store.sqlite-wal").stat().st_size
    return tmp_path / "run"


@pytest.mark.parametrize("beside", ["store.sqlite-shm", ""])
def test_killed_run_is_read_whole_with_its_log(killed: Path, beside: str) -> None:
    if beside:
        (killed / beside).unlink()
    units, *_ = read_store(killed, everything)
    assert [unit.status for unit in units] == ["done"] * 12


@pytest.mark.parametrize("at", [0, 20, 3000, -5000, -30, -4110])
def test_damaged_log_loses_commits_and_says_so(killed: Path, at: int) -> None:
    """SQLite itself takes what follows a damaged place for never written."""
    wal = killed / "store.sqlite-wal"
    content = bytearray(wal.read_bytes())
    content[at] ^= 0x55
    wal.write_bytes(content)
    with pytest.raises(BitlensError, match=r"commits to the database are lost|the plan in its database is damaged"):
        read_store(killed, everything)


@pytest.mark.parametrize("cut", [1, 5000, 10**9])
def test_log_that_was_cut_or_is_gone_says_so_until_a_run_goes_on(killed: Path, cut: int) -> None:
    wal = killed / "store.sqlite-wal"
    wal.write_bytes(wal.read_bytes()[:-cut])
    with Store(killed) as store:
        store.replace_plan(UNITS)
        assert "commits to the database are lost" in store.forget_damaged().run[0]
        for unit in list(store.missing()):
            store.commit(unit, outcome(store, UNITS.index(unit)), seconds=0.5)
    units, *_ = read_store(killed, everything)
    assert [unit.status for unit in units] == ["done"] * 12


@pytest.mark.parametrize("content", [b"", b"not a number", b"\xff\xfe", b"00000000000000000003\nmore"])
def test_note_of_the_commits_that_is_damaged_keeps_nobody_from_reading(folder: Path, content: bytes) -> None:
    (folder / NOTED).write_bytes(content)
    assert read_store(folder, everything)
    with Store(folder) as store:
        store.set_meta("experiment_name", "a study")
        assert int((folder / NOTED).read_text()) == store.commits()
