"""Each way in which an agent can be lost in the middle of a job: a clear error, and the next job runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.devices import in_flight
from harness.devices.client import hello, measure, predict
from harness.devices.device import Device
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentLost, ConnectionCut, DeadlinePassed
from harness.devices.transport.session import Session
from tests.harness.devices.devices_under_test import FLOAT, IMAGES, QUICK, RECORD, SshServer, ssh_device


def test_a_connection_cut_in_mid_measurement_is_said_and_never_retried(ssh_server: SshServer) -> None:
    opened: list[int] = []

    class Counted:
        name, kind = "ssh-loopback", "ssh"

        @contextmanager
        def open(self) -> Iterator[Session]:
            with ssh_device(ssh_server).open() as session:
                opened.append(newest_connection(ssh_server))
                yield session

    def cut(report: dict[str, Any]) -> None:
        if report["stage"] == "timing":
            os.kill(opened[-1], signal.SIGKILL)

    with pytest.raises(ConnectionCut, match="lost in measure: connection cut"):
        measure(Counted(), FLOAT, preprocessing=RECORD, protocol={**QUICK, "min_seconds": 10.0}, on_progress=cut)
    assert len(opened) == 1
    assert hello(ssh_device(ssh_server))["protocol"] == 1


def newest_connection(server: SshServer) -> int:
    """The sshd process that serves it: what a cut cable or a reboot takes away."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return int(children[-1])


def test_a_cut_connection_while_predicting_is_tried_again(ssh_server: SshServer) -> None:
    opened: list[int] = []

    class CutOnce:
        name, kind = "ssh-loopback", "ssh"

        @contextmanager
        def open(self) -> Iterator[Session]:
            with ssh_device(ssh_server).open() as session:
                opened.append(newest_connection(ssh_server))
                if len(opened) == 1:
                    os.kill(opened[0], signal.SIGKILL)
                yield session

    result = predict(CutOnce(), FLOAT, IMAGES, preprocessing=RECORD)
    assert len(result.scores) == len(IMAGES)
    assert len(opened) == 2


def test_a_connection_cut_while_images_are_on_their_way_is_tried_again_with_all_of_them(
    ssh_server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_flight, "PIECE_BYTES", 1)
    whole = predict(ssh_device(ssh_server), FLOAT, IMAGES, preprocessing=RECORD).scores
    asked: list[str] = []
    ask = Session.ask

    def cut(session: Session, verb: str, **arguments: Any) -> Any:
        asked.append(verb)
        if asked.count("predict") == 3 and verb == "predict":
            os.kill(newest_connection(ssh_server), signal.SIGKILL)
        return ask(session, verb, **arguments)

    monkeypatch.setattr(Session, "ask", cut)
    again = predict(ssh_device(ssh_server), FLOAT, IMAGES, preprocessing=RECORD).scores
    assert asked.count("load") == 2
    assert (again == whole).all()


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


def test_an_agent_killed_behind_ssh_is_not_a_cut_connection(ssh_server: SshServer) -> None:
    with pytest.raises(AgentLost, match="signal 9") as caught:
        lose(ssh_device(ssh_server), signal.SIGKILL)
    assert not isinstance(caught.value, ConnectionCut)


def test_a_segmentation_fault_brings_the_agents_stack(local: LocalDevice) -> None:
    with pytest.raises(AgentLost, match=r"(?s)signal 11 \(segmentation fault\).*Fatal Python error") as caught:
        lose(local, signal.SIGSEGV)
    assert caught.value.signal == signal.SIGSEGV
    assert hello(local)["protocol"] == 1


def test_a_hang_ends_at_the_deadline_and_the_next_job_runs(local: LocalDevice) -> None:
    with pytest.raises(DeadlinePassed, match=r"no answer to stat within 0.2 s"):
        lose(local, signal.SIGSTOP, deadline_s=0.2)
    assert hello(local)["protocol"] == 1
