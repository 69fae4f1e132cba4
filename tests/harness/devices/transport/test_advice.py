"""What boards say of full and broken disks is said in words; nobody is sent from the doctor to the doctor."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import pytest

from harness.devices.doctor import examine, in_short, was_reached
from harness.devices.transport.advice import explained
from harness.devices.transport.faults import AgentError, Away
from harness.devices.transport.session import Session
from harness.errors import DeviceError


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device: '/home/pi/.cache/bitlens/part-1'", "disk full: "),
        (
            "FileNotFoundError: [Errno 2] No usable temporary directory found in ['/tmp', '/var/tmp', '/home/pi']",
            "disk full, or read-only: ",
        ),
        ("OSError: [Errno 122] Disk quota exceeded", "disk full, up to this user's quota: "),
        ("OSError: [Errno 30] Read-only file system: '/home/pi/.cache'", "its file system is read-only: "),
        ("OSError: [Errno 5] Input/output error", "its disk does not work: "),
        ("ValueError: no operator", ""),
    ],
)
def test_a_systems_words_are_explained(words: str, meaning: str) -> None:
    assert explained(words)[0] == meaning
    assert bool(explained(words)[1]) == bool(meaning)


def test_a_disk_that_is_full_before_the_agent_starts_is_said_to_be() -> None:
    class Channel:
        class RemoteError(Exception):
            pass

        TimeoutError = TimeoutError

        def receive(self, timeout: float) -> Any:
            raise self.RemoteError("Traceback\nOSError: [Errno 28] No space left on device")

    with pytest.raises(AgentError, match=r"(?s)^device \"pi4\": disk full: .* try: make room there: df -h"):
        Session("pi4", None, Channel()).receive("start", 0.0, 1.0)  # type: ignore[arg-type]


class Broken:
    """A device that cannot be asked."""

    name, kind = "pi4", "ssh"
    python = "/usr/bin/python3"  # so that no environment is looked for

    def __init__(self, error: DeviceError) -> None:
        self._error = error

    @contextmanager
    def open(self) -> Any:
        raise self._error
        yield


@pytest.mark.parametrize("kind", ["ImportError", "ModuleNotFoundError", "OSError", "SyntaxError"])
def test_the_doctor_does_not_send_anybody_to_the_doctor(kind: str) -> None:
    error = AgentError(f"{kind}: numpy\n  try: bitlens doctor pi4", kind=kind, remote_traceback="")
    (finding,) = examine(Broken(error))  # type: ignore[arg-type]
    assert "doctor" not in finding.as_text()
    if kind in ("ImportError", "ModuleNotFoundError"):
        assert finding.hint == "bitlens device setup pi4"
    assert was_reached([finding])


def test_the_doctor_in_a_few_words() -> None:
    (finding,) = examine(Broken(Away("nobody answers\nssh: refused")))  # type: ignore[arg-type]
    assert in_short([finding]) == "1 error: nobody answers"
    assert not was_reached([finding])
    assert in_short([]) == "ok"
