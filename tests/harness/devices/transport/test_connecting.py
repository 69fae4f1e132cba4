"""Each way in which connecting can fail: a clear error that says what happened and what to try."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import execnet
import pytest

from harness.devices.client import hello
from harness.devices.device import Device, make_device
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, Unreachable
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import SshServer, ssh_device


def test_ssh_refused_says_so_and_what_to_try(ssh_server: SshServer) -> None:
    device = make_device(
        {"name": "pi4", "kind": "ssh", "host": "127.0.0.1", "port": 1, "config": str(ssh_server.config)}
    )
    with pytest.raises(Unreachable, match=r"(?s)pi4.*Connection refused.*try: ssh .*127.0.0.1 python3 --version"):
        hello(device)


def test_unknown_host_says_so(ssh_server: SshServer) -> None:
    with pytest.raises(
        Unreachable, match=r"(?i)no-such-board\.invalid.*(not resolve|not known)|(not resolve|not known)"
    ):
        hello(ssh_device(ssh_server, "no-such-board.invalid"))


def test_wrong_key_says_permission_denied(ssh_server: SshServer) -> None:
    with pytest.raises(Unreachable, match="Permission denied"):
        hello(ssh_device(ssh_server, "board-with-wrong-key"))


def test_unknown_host_key_is_refused(ssh_server: SshServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(ssh_server.config.read_text().replace(f"{ssh_server.folder}/known_hosts", "/dev/null"))
    device = make_device({"name": "pi4", "kind": "ssh", "host": "board", "config": str(config)})
    with pytest.raises(Unreachable, match="Host key verification failed"):
        hello(device)


def test_missing_python_on_the_board_says_so(ssh_server: SshServer) -> None:
    row = {"name": "pi4", "kind": "ssh", "host": "board", "config": str(ssh_server.config), "python": "/no/python"}
    with pytest.raises(Unreachable, match=r"(?s)/no/python.*not found"):
        hello(make_device(row))


def test_a_shell_that_greets_is_named_as_the_culprit(tmp_path: Path) -> None:
    greeter = tmp_path / "python"
    greeter.write_text(f'#!/bin/sh\necho "Welcome to your Pi"\nexec {sys.executable} "$@"\n')
    greeter.chmod(0o755)
    with pytest.raises(Unreachable, match="got this text: 'Welcome to your Pi'"):
        hello(LocalDevice(name="pi4", python=str(greeter)))


def test_an_interpreter_that_cannot_be_started_says_so() -> None:
    with pytest.raises(Unreachable, match="could not be started: No such file"):
        hello(LocalDevice(name="this-host", python="/no/python"))


def test_a_python_without_numpy_is_not_taken_for_an_unreachable_board(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(
        AgentError, match=r"the agent ended before \w+: ModuleNotFoundError: No module named 'numpy'"
    ) as caught:
        hello(LocalDevice(name="pi4", python=str(tmp_path / "bare/bin/python")))
    assert caught.value.kind == "ModuleNotFoundError"
    assert "try: bitlens doctor pi4" in str(caught.value)


def test_an_agent_that_failed_before_it_was_asked_says_why() -> None:
    """However the two race: here the error has arrived before the request is sent."""
    arrived = threading.Event()
    gateway = execnet.makegateway("popen")
    channel = gateway.remote_exec("raise ImportError('no NumPy here')")
    channel.setcallback(lambda end: arrived.set(), endmarker=None)
    assert arrived.wait(60)
    with pytest.raises(AgentError, match="the agent ended before hello: ImportError: no NumPy here"):
        Session("pi4", None, channel).request("hello", deadline_s=60)
    gateway.exit()


def test_connecting_is_tried_again_a_bounded_number_of_times(local: LocalDevice) -> None:
    device = _Flaky(local, failures=2)
    assert hello(device)["protocol"] == 1
    assert device.opened == 3
    with pytest.raises(Unreachable):
        hello(_Flaky(local, failures=3))


class _Flaky:
    """A device that cannot be reached the first few times."""

    kind = "local"

    def __init__(self, device: Device, *, failures: int) -> None:
        self.name, self._device, self._failures, self.opened = device.name, device, failures, 0

    @contextmanager
    def open(self) -> Iterator[Session]:
        self.opened += 1
        if self.opened <= self._failures:
            raise Unreachable(f"attempt {self.opened}")
        with self._device.open() as session:
            yield session
