"""Boards that are away, behind a real ssh: who is waited for, and who is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.devices import retry
from harness.devices.client import hello, measure
from harness.devices.device import Device, make_device
from harness.devices.retry import connected, had_not_begun, wait_for
from harness.devices.ssh import SshDevice
from harness.devices.transport.exit_status import SSH_FAILED
from harness.devices.transport.faults import AgentError, Away, ConnectionCut, Unreachable
from tests.harness.devices.devices_under_test import FLOAT, QUICK, RECORD, SshServer, ssh_device


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(retry, "LOOK_PAUSE_SECONDS", 0.0)


def board(server: SshServer, **row: object) -> Device:
    whole = {"name": "pi4", "kind": "ssh", "host": "board", "config": str(server.config), "python": sys.executable}
    return make_device({**whole, **row})


@pytest.mark.parametrize("row", [{"host": "127.0.0.1", "port": 1}, {"host": "no-such-board.invalid"}])
def test_a_board_that_nobody_answers_for_is_away(row: dict[str, object], ssh_server: SshServer) -> None:
    with pytest.raises(Away):
        hello(board(ssh_server, **row))


@pytest.mark.parametrize("row", [{"host": "board-with-wrong-key"}, {"python": "/no/python"}, {"config": "/no/config"}])
def test_a_board_that_refuses_us_is_not_waited_for(row: dict[str, object], ssh_server: SshServer) -> None:
    with pytest.raises(Unreachable) as caught:
        hello(board(ssh_server, **row))
    assert not isinstance(caught.value, Away)


def test_a_board_whose_key_is_another_is_not_waited_for(ssh_server: SshServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(ssh_server.config.read_text().replace(f"{ssh_server.folder}/known_hosts", "/dev/null"))
    with pytest.raises(Unreachable, match="Host key verification failed") as caught:
        hello(board(ssh_server, config=str(config)))
    assert not isinstance(caught.value, Away)


def test_a_board_that_comes_back_is_found(ssh_server: SshServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    good = ssh_server.config.read_text()
    config.write_text(good.replace("    Port ", "    Port 1\n    # "))
    looks: list[float] = []

    def on_wait(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            config.write_text(good)

    assert wait_for(board(ssh_server, config=str(config)), at_most_s=600, on_wait=on_wait) is None
    assert len(looks) == 3


def test_a_board_that_stays_away_is_told_with_the_reason(ssh_server: SshServer) -> None:
    looks: list[float] = []
    problem = wait_for(board(ssh_server, host="127.0.0.1", port=1), at_most_s=0, on_wait=looks.append)
    assert problem is not None
    assert "Connection refused" in problem
    assert len(looks) == 1


def cut(session: Any) -> None:
    """As a reboot does: the ssh that leads to the board ends, with the status that it has for this."""
    process = session._process._popen
    process.kill()
    process.wait()
    process.returncode = SSH_FAILED


def test_what_was_cut_off_says_in_what_so_that_it_is_known_whether_it_had_begun(ssh_server: SshServer) -> None:
    for verb, repeatable in (("stat", True), ("measure", False)):
        with connected(ssh_device(ssh_server)) as session:
            cut(session)
            with pytest.raises(ConnectionCut) as caught:
                session.request(verb, deadline_s=30)
        assert caught.value.verb == verb
        assert had_not_begun(caught.value) == repeatable


def test_a_record_of_a_board_says_how_wrong_its_clock_was(ssh_server: SshServer) -> None:
    record = measure(ssh_device(ssh_server), FLOAT, preprocessing=RECORD, protocol=QUICK)
    assert abs(record["circumstances"]["clock_ahead_s"]) < 2
    assert record["circumstances"]["after"]["unix_time"] > record["circumstances"]["before"]["unix_time"]


def test_a_row_says_how_long_its_board_is_waited_for() -> None:
    assert SshDevice(name="pi4", host="pi4").wait_s == 180
    with pytest.raises(Exception, match="wait_s: expected seconds from 0 to 86400, got -1"):
        make_device({"name": "pi4", "kind": "ssh", "host": "pi4", "wait_s": -1})


def test_an_agent_error_is_of_a_board_that_is_there() -> None:
    error = AgentError("no", kind="ValueError", remote_traceback="")
    assert not had_not_begun(error)
    assert not retry.may_be_away(error)
