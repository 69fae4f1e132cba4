"""What an agent answers with an error and survives: altered artifacts, full disks, missing parts, a device in use."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.devices.client import hello, measure, predict
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import FLOAT, IMAGES, QUICK, RECORD

NEW, OLD = "a" * 64, "b" * 64


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
    hello(local)
    artifacts = Path(local.cache, "artifacts")
    artifacts.mkdir(parents=True)
    for age, name in enumerate((NEW, OLD)):
        with (artifacts / name).open("wb") as file:
            file.truncate(int(1.2 * 2**30))  # a hole: it takes no room
        os.utime(artifacts / name, (1e9 - age, 1e9 - age))
    predict(local, FLOAT, IMAGES[:1], preprocessing=RECORD)
    assert {path.name for path in artifacts.iterdir()} == {NEW, hashlib.sha256(FLOAT.read_bytes()).hexdigest()}


def test_a_full_disk_is_reported_before_anything_is_sent(local: LocalDevice) -> None:
    with local.open() as session, pytest.raises(AgentError, match=r"needs \d+ bytes, and \d+ are free"):
        session.request("put", deadline_s=30, sha256="0" * 64, size=1 << 60, offset=0, content=b"")


def test_a_disk_that_fills_up_meanwhile_is_an_error_of_the_put(tmp_path: Path) -> None:
    """Here the system lets no file grow beyond 64 KiB, which ends a write as a full disk does."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/bash\nulimit -f 64\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with LocalDevice(name="this-host", python=str(python), cache=str(tmp_path / "cache")).open() as session:
        content = bytes(100_000)
        ask: dict[str, Any] = {"sha256": "0" * 64, "size": len(content), "offset": 0}
        session.request("put", deadline_s=30, **ask, content=b"")
        with pytest.raises(AgentError, match="File too large"):
            session.request("put", deadline_s=30, **ask, content=content)


@pytest.mark.parametrize("what", ["a pipe", "a folder", "nothing", "more than a flatbuffer can have"])
def test_an_artifact_that_is_no_file_is_refused_before_anything_is_asked(
    local: LocalDevice, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "artifact.tflite"
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what.startswith("more"):
        with path.open("wb") as file:
            file.truncate(3 << 30)  # a hole
    with pytest.raises(ConfigError, match=r"artifact.tflite.*(plain file|could not be read|has more than)"):
        predict(local, path, IMAGES, preprocessing=RECORD)
    assert not Path(local.cache).exists()


def test_a_cpu_that_is_not_there_is_refused(local: LocalDevice) -> None:
    with pytest.raises(AgentError, match=r"cpus: expected some of \[0.*got \[0, 999\]"):
        measure(local, FLOAT, preprocessing=RECORD, protocol={**QUICK, "cpus": [0, 999]})


def test_a_missing_runtime_says_which_are_there(local: LocalDevice) -> None:
    with pytest.raises(AgentError, match='runtime "hexagon" is not usable here; usable: ') as caught:
        predict(local, FLOAT, IMAGES, preprocessing=RECORD, runtime="hexagon")
    assert caught.value.kind == "RuntimeMissing"


def test_the_second_host_learns_who_measures(local: LocalDevice) -> None:
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
