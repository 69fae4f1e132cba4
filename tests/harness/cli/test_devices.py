"""`bitlens device`, `doctor` and `bench` with a board over a real sshd, as its owner would use them at first."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.devices import client, retry
from harness.devices.known import known_devices, table_path
from harness.devices.setup import board as board_setup
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import FLOAT, SshServer, ssh_server

__all__ = ["ssh_server"]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The boards that were set up, instead of setting them up."""
    boards: list[str] = []
    monkeypatch.setattr(board_setup, "setup", lambda device, **how: boards.append(f"{device.name} at {device.host}"))
    return boards


def bitlens(verb: str, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app.app, [verb, *arguments])
    return done.exit_code, done.output


def test_a_board_is_set_up_by_its_address_and_its_row_is_offered(made: list[str]) -> None:
    status, said = bitlens("device", "setup", "pi@raspberrypi.local")
    assert status == 0, said
    assert made == ["pi@raspberrypi.local at pi@raspberrypi.local"]
    assert "--keep raspberrypi" in said
    assert said.endswith('[[device]]\nname = "raspberrypi"\nkind = "ssh"\nhost = "pi@raspberrypi.local"\n')
    assert not table_path().exists()


def test_a_board_is_kept_by_the_name_that_was_given(made: list[str]) -> None:
    status, said = bitlens("device", "setup", "pi@raspberrypi.local", "--keep", "pi4")
    assert status == 0, said
    assert made == ["pi4 at pi@raspberrypi.local"]
    assert known_devices()["pi4"] == {"name": "pi4", "kind": "ssh", "host": "pi@raspberrypi.local"}
    status, said = bitlens("device", "list", "--no-probe")
    line = next(line for line in said.splitlines() if line.startswith("pi4 "))
    assert line.split()[:5] == ["pi4", "ssh", "pi@raspberrypi.local", "not", "asked"]
    assert "just now" in line


def keep(server: SshServer, name: str, **row: object) -> None:
    whole = {"kind": "ssh", "host": "board", "config": str(server.config), "python": sys.executable, **row}
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in {"name": name, **whole}.items()]
    table_path().parent.mkdir(parents=True, exist_ok=True)
    with table_path().open("a") as file:
        print("[[device]]", *lines, sep="\n", file=file)


def test_the_list_shows_what_the_doctor_found_and_which_board_it_is(ssh_server: SshServer) -> None:
    keep(ssh_server, "pi4")
    keep(ssh_server, "pi5", host="127.0.0.1", port=1)
    bitlens("doctor", "pi4")
    status, said = bitlens("doctor", "pi5")
    assert status == 1
    assert "Connection refused" in said
    status, said = bitlens("device", "list")
    lines = {line.split()[0]: line for line in said.splitlines()}
    assert status == 0
    assert " reachable " in lines["pi4"]
    assert " now " in lines["pi4"]
    assert "(just now)" in lines["pi4"]
    assert "away: " in lines["pi5"]
    assert "never asked" in lines["pi5"]
    assert "boot " in lines["pi4"]


def test_bench_fails_when_a_round_does(ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(ssh_server, "pi4", host="127.0.0.1", port=1, wait_s=0)
    monkeypatch.setattr(retry, "PAUSES_SECONDS", (0.0, 0.0))
    artifact = str(FLOAT)
    status, said = bitlens("bench", artifact, "--device", "pi4", "--rounds", "2", "--seconds", "0")
    assert status == 1
    assert "failed" in said


def test_bench_takes_a_board_by_its_address(ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def measure(device: Any, *what: Any, **how: Any) -> Any:
        seen.append(f"{device.name} {device.host}")
        raise DeviceError("enough")

    monkeypatch.setattr(client, "measure", measure)
    assert bitlens("bench", str(FLOAT), "--device", "pi@pi4", "--rounds", "1")[0] == 1
    assert seen == ["pi@pi4 pi@pi4"]
