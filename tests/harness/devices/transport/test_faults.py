"""Each way in which a device can fail: a clear error that says what happened, and the next job runs."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.devices import client
from harness.devices.client import hello, measure, predict
from harness.devices.device import Device, make_device
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, AgentLost, ConnectionCut, DeadlinePassed, Unreachable
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import ARTIFACTS, QUICK, RECORD, SshServer, ssh_device

FLOAT = ARTIFACTS / "float.tflite"
IMAGES = np.load(ARTIFACTS / "float.npz")["images"]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRY_PAUSES_SECONDS", (0.0, 0.0))


@pytest.fixture
def local(tmp_path: Path) -> LocalDevice:
    return LocalDevice(name="this-host", cache=str(tmp_path / "cache"))


def agent_pid(session: Session) -> int:
    return session._process._popen.pid


# ------------------------------------------------------------------------------------------------------- connecting
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


# ------------------------------------------------------------------------------------------------- lost in the middle
def test_a_connection_cut_in_mid_measurement_is_said_and_never_retried(ssh_server: SshServer) -> None:
    opened: list[int] = []

    class Counted:
        name, kind = "ssh-loopback", "ssh"

        @contextmanager
        def open(self) -> Iterator[Session]:
            with ssh_device(ssh_server).open() as session:
                opened.append(_connection_pid(ssh_server, agent_pid(session)))
                yield session

    def cut(report: dict[str, Any]) -> None:
        if report["stage"] == "timing":
            os.kill(opened[-1], signal.SIGKILL)

    with pytest.raises(ConnectionCut, match="lost in measure: connection cut"):
        measure(Counted(), FLOAT, preprocessing=RECORD, protocol={**QUICK, "min_seconds": 10.0}, on_progress=cut)
    assert len(opened) == 1
    assert hello(ssh_device(ssh_server))["protocol"] == 1


def _connection_pid(server: SshServer, client: int) -> int:
    """The newest sshd process that serves a connection: what a cut cable or a reboot takes away."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(children[-1])


def test_a_cut_connection_while_predicting_is_tried_again(ssh_server: SshServer) -> None:
    opened: list[int] = []

    class CutOnce:
        name, kind = "ssh-loopback", "ssh"

        @contextmanager
        def open(self) -> Iterator[Session]:
            with ssh_device(ssh_server).open() as session:
                opened.append(_connection_pid(ssh_server, agent_pid(session)))
                if len(opened) == 1:
                    os.kill(opened[0], signal.SIGKILL)
                yield session

    result = predict(CutOnce(), FLOAT, IMAGES, preprocessing=RECORD)
    assert len(result.scores) == len(IMAGES)
    assert len(opened) == 2


def lose(device: Device, number: signal.Signals, *, deadline_s: float = 30.0) -> None:
    """Ask an agent that has just been sent a signal."""
    with device.open() as session:
        pid = session.request("hello", deadline_s=60)["machine"]["pid"]
        os.kill(pid, number)
        session.request("stat", deadline_s=deadline_s)


def test_an_agent_killed_for_memory_is_said_to_be_killed(local: LocalDevice) -> None:
    with pytest.raises(AgentLost, match="killed, often for lack of memory") as caught:
        lose(local, signal.SIGKILL)
    assert caught.value.signal == signal.SIGKILL
    assert hello(local)["protocol"] == 1


def test_an_agent_killed_behind_ssh_is_told_from_a_cut_connection(ssh_server: SshServer) -> None:
    with pytest.raises(AgentLost, match="signal 9") as caught:
        lose(ssh_device(ssh_server), signal.SIGKILL)
    assert not isinstance(caught.value, ConnectionCut)


def test_a_segmentation_fault_brings_the_agents_last_words(local: LocalDevice) -> None:
    with pytest.raises(AgentLost, match=r"(?s)signal 11 \(segmentation fault\).*Fatal Python error") as caught:
        lose(local, signal.SIGSEGV)
    assert caught.value.signal == signal.SIGSEGV
    assert hello(local)["protocol"] == 1


def test_a_hang_ends_at_the_deadline_and_the_next_job_runs(local: LocalDevice) -> None:
    with pytest.raises(DeadlinePassed, match=r"no answer to stat within 0.2 s"):
        lose(local, signal.SIGSTOP, deadline_s=0.2)
    assert hello(local)["protocol"] == 1


def test_the_agent_ends_itself_at_the_deadline_when_the_host_does_not(local: LocalDevice) -> None:
    """The agent's own watchdog, which needs no Python to run: the stack of the hanging call is written down."""
    sha256 = "0" * 64
    artifacts = Path(local.cache, "artifacts")
    artifacts.mkdir(parents=True)
    os.mkfifo(artifacts / sha256)  # who reads it hangs, as with a card that does not answer
    arguments = {"sha256": sha256, "size": 1, "offset": 0, "content": b""}
    with local.open() as session:
        session.send({"id": 99, "verb": "put", "deadline_s": -1.5, "arguments": arguments}, "put")  # half a second
        with pytest.raises(AgentLost, match=r"(?s)Timeout.*agent\.py.* in put"):
            session.receive("put", time.monotonic() + 30, 30)


# ------------------------------------------------------------------------------------------------------- artifacts
def test_an_artifact_altered_in_transit_is_refused(local: LocalDevice) -> None:
    content = FLOAT.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    with local.open() as session:
        ask: dict[str, Any] = {"sha256": sha256, "size": len(content), "offset": 0}
        session.request("put", deadline_s=30, **ask, content=b"")
        with pytest.raises(AgentError, match="altered on its way"):
            session.request("put", deadline_s=30, **ask, content=content[:-1] + b"\xff")
        assert not session.request("put", deadline_s=30, **ask, content=b"")["present"]
        assert session.request("put", deadline_s=30, **ask, content=content)["present"]
    assert [path.name for path in Path(local.cache, "artifacts").iterdir()] == [sha256]


def test_an_artifact_damaged_on_the_device_is_sent_again(local: LocalDevice) -> None:
    predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD)
    stored = next(Path(local.cache, "artifacts").iterdir())
    stored.write_bytes(stored.read_bytes()[:-10])
    predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD)
    assert stored.read_bytes() == FLOAT.read_bytes()


def test_artifacts_that_were_not_used_for_longest_make_room(local: LocalDevice) -> None:
    artifacts = Path(local.cache, "artifacts")
    artifacts.mkdir(parents=True)
    for age, name in enumerate(("new", "old")):
        with (artifacts / name).open("wb") as file:
            file.truncate(int(1.2 * 2**30))  # a hole: it takes no room
        os.utime(artifacts / name, (1e9 - age, 1e9 - age))
    predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD)
    assert {path.name for path in artifacts.iterdir()} == {"new", hashlib.sha256(FLOAT.read_bytes()).hexdigest()}


def test_a_full_disk_is_said_before_anything_is_sent(local: LocalDevice) -> None:
    with local.open() as session, pytest.raises(AgentError, match=r"needs \d+ bytes, and \d+ are free"):
        session.request("put", deadline_s=30, sha256="0" * 64, size=1 << 60, offset=0, content=b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_meanwhile_is_an_error_of_the_put(local: LocalDevice) -> None:
    with local.open() as session:
        artifacts = Path(local.cache, "artifacts")
        artifacts.mkdir(parents=True, exist_ok=True)
        (artifacts / f"part-{session.request('hello', deadline_s=30)['machine']['pid']}").symlink_to("/dev/full")
        content = FLOAT.read_bytes()
        ask: dict[str, Any] = {"sha256": "0" * 64, "size": len(content), "offset": 0}
        session.request("put", deadline_s=30, **ask, content=b"")
        with pytest.raises(AgentError, match="No space left on device"):
            session.request("put", deadline_s=30, **ask, content=content)


def test_a_cpu_that_is_not_there_is_refused(local: LocalDevice) -> None:
    with pytest.raises(AgentError, match=r"cpus: expected some of \[0.*got \[0, 999\]"):
        measure(local, FLOAT, preprocessing=RECORD, protocol={**QUICK, "cpus": [0, 999]})


def test_a_missing_runtime_says_which_are_there(local: LocalDevice) -> None:
    with pytest.raises(AgentError, match='runtime "hexagon" is not usable here; usable: ') as caught:
        predict(local, FLOAT, IMAGES, preprocessing=RECORD, runtime="hexagon")
    assert caught.value.kind == "RuntimeMissing"


# ---------------------------------------------------------------------------------------------------- two hosts at once
def test_the_second_host_is_told_who_measures(local: LocalDevice) -> None:
    started, finish = threading.Event(), threading.Event()

    def hold(report: dict[str, Any]) -> None:
        if report["stage"] == "timing":
            started.set()
            finish.wait(30)

    first: list[dict[str, Any]] = []
    protocol = {**QUICK, "max_runs": 40}
    thread = threading.Thread(
        target=lambda: first.append(
            measure(local, FLOAT, preprocessing=RECORD, protocol={**protocol, "min_seconds": 5.0}, on_progress=hold)
        )
    )
    thread.start()
    assert started.wait(60)
    try:
        with pytest.raises(AgentError, match=r"is being measured by .+ from .+, since \d{4}-") as caught:
            measure(local, FLOAT, preprocessing=RECORD, protocol=protocol, lock_wait_s=0.0)
        assert caught.value.kind == "DeviceBusy"
    finally:
        finish.set()
        thread.join()
    assert first[0]["samples_ns"]
