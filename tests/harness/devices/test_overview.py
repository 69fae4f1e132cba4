"""`bitlens device list`: what state each device is in, asked of all at once, within a bound."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.cli.device_states import as_rows, as_table
from harness.devices import last_seen, overview
from harness.devices.identity import identity
from harness.devices.overview import states
from tests.harness.devices.devices_under_test import SshServer

PI4 = {"name": "pi4", "kind": "ssh", "host": "pi@pi4"}


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_reachable_and_lost_devices_are_told_apart_with_what_is_known_of_each(ssh_server: SshServer) -> None:
    far = {"kind": "ssh", "config": str(ssh_server.config), "python": sys.executable}
    rows = {
        row["name"]: row
        for row in (
            {"name": "board", "host": "board", **far},
            {"name": "off", "host": "127.0.0.1", "port": 1, **far},
            {"name": "stranger", "host": "board-with-wrong-key", **far},
            {"name": "cortex-a72", "kind": "emulated", "cpu": "cortex-a72"},
        )
    }
    last_seen.note("off", rows["off"], doctor="1 warning: under-voltage now", clock=lambda: 0.0)
    board, off, stranger, emulated = states(rows, seconds=60)
    assert board.answer == "reachable"
    assert board.runtime.split()[0] in ("ai-edge-litert", "tflite-runtime", "larq-compute-engine")
    assert board.free_disk_bytes is not None
    assert ", boot " in board.board
    assert off.answer.startswith("away: ")
    assert "Connection refused" in off.answer
    assert stranger.answer.startswith("refused: ")
    assert "Permission denied" in stranger.answer
    assert emulated.answer == "not asked"
    lines = as_table([board, off, stranger, emulated]).splitlines()
    assert lines[0].split()[:4] == ["name", "kind", "address", "state"]
    assert " now " in lines[1]
    assert "1 warning: under-voltage now (" in lines[2]
    assert "never asked" in lines[3]
    assert [row["state"] for row in as_rows([board, emulated])] == ["reachable", "not asked"]


def test_a_device_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ever = threading.Event()
    monkeypatch.setattr(overview, "_state_of", lambda device: ever.wait() or {})
    (state,) = states({"pi4": PI4}, seconds=0.01)
    ever.set()
    assert state.answer == "no answer within 0 s"


def test_nothing_is_asked_where_nobody_wants_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "_state_of", lambda device: pytest.fail("asked"))
    (state,) = states({"pi4": PI4}, probe=False)
    assert state.answer == "not asked"


def test_what_was_seen_is_remembered_until_the_row_is_another() -> None:
    last_seen.note("pi4", PI4, doctor="ok", clock=lambda: 100.0)
    last_seen.note("pi4", PI4, clock=lambda: 200.0)
    known = last_seen.remembered("pi4", PI4)
    assert (known.seen_at, known.doctor, known.doctor_at) == (200.0, "ok", 100.0)
    assert last_seen.remembered("pi4", {**PI4, "host": "pi@pi5"}).seen_at is None


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"pi4": 5}', '{"pi4": {"row": 1, "new": 2}}', "null"])
def test_a_memory_that_is_damaged_is_empty(content: str) -> None:
    last_seen.path().parent.mkdir(parents=True)
    last_seen.path().write_text(content)
    assert last_seen.remembered("pi4", PI4).seen_at is None
    last_seen.note("pi4", PI4, clock=lambda: 1.0)
    assert last_seen.remembered("pi4", PI4).seen_at == 1.0


@pytest.mark.parametrize("wrong", [{"seen_at": "yesterday"}, {"doctor": "ok", "doctor_at": [1]}, {"doctor": 3}])
def test_a_memory_with_values_of_strange_types_is_empty(wrong: dict[str, Any]) -> None:
    last_seen.path().parent.mkdir(parents=True)
    last_seen.path().write_text(json.dumps({"pi4": {"row": PI4, "seen_at": 1.0, **wrong}}))
    assert last_seen.remembered("pi4", PI4) == last_seen.Remembered(row=PI4)


def test_a_memory_that_cannot_be_written_is_done_without(state_home: Path) -> None:
    state_home.write_text("a file where a folder should be")
    last_seen.note("pi4", PI4)
    assert last_seen.remembered("pi4", PI4).seen_at is None


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (
            {"board": "Raspberry Pi 4 Model B Rev 1.4", "revision": "c03114", "boot_id": "3d7c66f4-11aa"},
            "Raspberry Pi 4 Model B Rev 1.4 (c03114), boot 3d7c66f4",
        ),
        ({"board": None, "cpu": "Cortex-A76", "revision": None, "boot_id": None}, "Cortex-A76"),
        ({}, "unknown"),
    ],
)
def test_a_board_has_an_identity_without_a_serial_number(machine: dict[str, Any], words: str) -> None:
    assert identity(machine) == words


def test_the_memory_is_plain_json_of_its_own_user(state_home: Path) -> None:
    last_seen.note("pi4", PI4)
    assert list(json.loads((state_home / "bitlens/devices.json").read_text())) == ["pi4"]
