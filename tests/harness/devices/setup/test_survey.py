"""A board that is reachable but wrong is told which of its parts is wrong, and what to do about it.

Most are faked by what the board reports; some are interpreters that are wrong, behind a real sshd.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.devices.doctor import examine
from harness.devices.setup import board as board_setup
from harness.devices.setup import survey as surveying
from harness.devices.setup.survey import NEEDED_BYTES, faults, survey
from harness.devices.ssh import SshDevice
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import SshServer

GOOD: dict[str, Any] = {
    "python": [3, 11],
    "executable": "/usr/bin/python3",
    "others": [],
    "has_venv": True,
    "is_snap": False,
    "bits": 64,
    "machine": "aarch64",
    "system": "Debian GNU/Linux 12 (bookworm)",
    "musl": False,
    "folder": "/home/pi/.cache/bitlens",
    "place": "/home/pi",
    "write_problem": "",
    "free_bytes": 10 << 30,
    "is_noexec": False,
}
RASPBIAN = "Raspbian GNU/Linux 12 (bookworm)"
WRONG = {
    "a 32-bit system": (
        {"bits": 32, "machine": "armv7l", "system": RASPBIAN},
        f"{RASPBIAN} is a 32-bit system (armv7l), for which there is no TFLite runtime",
        "the 64-bit Raspberry Pi OS",
    ),
    "a 32-bit system with a 64-bit kernel": (
        {"bits": 32, "system": RASPBIAN},
        f"{RASPBIAN} is a 32-bit system, on a 64-bit processor (aarch64)",
        "the 64-bit Raspberry Pi OS",
    ),
    "a Raspberry Pi Zero W": ({"bits": 32, "machine": "armv6l"}, "is a 32-bit system (armv6l)", "Zero 2"),
    "another processor": ({"machine": "riscv64"}, "no TFLite runtime for a riscv64 processor", "a board with aarch64"),
    "musl": (
        {"musl": True, "system": "Alpine Linux v3.20"},
        "Alpine Linux v3.20 has the C library musl, and the runtimes need glibc",
        "Raspberry Pi OS, Debian or Ubuntu",
    ),
    "Python 3.8": (
        {"python": [3, 8]},
        "its python3 is Python 3.8: expected 3.9 to 3.14",
        "bitlens device setup pi4 --python ANOTHER",
    ),
    "Python 3.8 beside a newer one": (
        {"python": [3, 8], "others": ["/usr/bin/python3.11"]},
        "its python3 is Python 3.8",
        "bitlens device setup pi4 --python /usr/bin/python3.11",
    ),
    "Python 2": ({"python": [2, 7], "has_venv": False}, "its python3 is Python 2.7: expected", "--python"),
    "a Python of next year": ({"python": [3, 15]}, "its python3 is Python 3.15: expected 3.9 to 3.14", "--python"),
    "no venv module": (
        {"has_venv": False},
        "its Python (/usr/bin/python3) has no module venv",
        "sudo apt-get install python3-venv",
    ),
    "a read-only home": (
        {"write_problem": "Read-only file system"},
        "nothing can be written to /home/pi, for /home/pi/.cache/bitlens: Read-only file system",
        'cache = "',
    ),
    "a home of somebody else": (
        {"write_problem": "Permission denied"},
        "nothing can be written to /home/pi, for /home/pi/.cache/bitlens: Permission denied",
        "cache",
    ),
    "a cache in a /tmp that is noexec": (
        {"is_noexec": True, "folder": "/tmp/bitlens", "place": "/tmp"},
        "/tmp, for /tmp/bitlens, is mounted noexec, so that no library can be loaded from there",
        'cache = "',
    ),
    "a Snap's Python": (
        {"is_snap": True, "executable": "/snap/bin/python3", "others": ["/usr/bin/python3.12"]},
        "its Python (/snap/bin/python3) is a Snap, which may neither read nor write hidden folders",
        "bitlens device setup pi4 --python /usr/bin/python3.12",
    ),
    "a full disk": (
        {"free_bytes": 3 << 20},
        "disk full: 3 MiB free for /home/pi/.cache/bitlens, and 300 are needed",
        "df -h /home/pi",
    ),
}


def test_a_board_as_it_should_be_has_no_fault() -> None:
    assert list(faults(GOOD, name="pi4", python="python3")) == []


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_with_what_to_do(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By setup and by doctor, with the same words."""
    changes, words, hint = WRONG[what]
    monkeypatch.setattr(surveying, "survey", lambda device, *, python: {**GOOD, **changes})
    device = SshDevice(name="pi4", host="nowhere.invalid")
    with pytest.raises(DeviceError) as caught:
        board_setup.setup(device, say=lambda text: None)
    assert str(caught.value).startswith('device "pi4": ')
    assert words in str(caught.value)
    assert hint in str(caught.value).partition("try: ")[2]
    (finding,) = examine(device)
    assert finding.severity == "error"
    assert words in finding.what
    assert "doctor" not in finding.hint


def test_a_disk_that_is_too_small_is_said_before_anything_is_sent(
    here: SshDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"free_bytes": NEEDED_BYTES - 1}
    monkeypatch.setattr(surveying, "survey", lambda device, *, python: {**survey(device, python=python), **small})
    with pytest.raises(DeviceError, match=r"disk full: 299 MiB free for .*, and 300 are needed"):
        board_setup.setup(here, python=sys.executable, say=lambda text: None)
    assert not Path(here.cache).exists()


@pytest.fixture
def here(ssh_server: SshServer, tmp_path: Path) -> SshDevice:
    return SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache=str(tmp_path / "cache"))


def test_this_host_as_a_board_answers_and_is_as_it_should_be(here: SshDevice, tmp_path: Path) -> None:
    facts = survey(here, python=sys.executable)
    assert facts["python"] == list(sys.version_info[:2])
    assert (facts["folder"], facts["place"]) == (here.cache, str(tmp_path))
    assert list(faults(facts, name="pi4", python="python3")) == []
    assert list(tmp_path.iterdir()) == []


def old_python(version: str) -> str:
    """An interpreter of this version: on the path, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for python in (shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python")):
        if python and subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0:
            return str(python)
    pytest.skip(f"needs Python {version}")


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8"])
def test_a_python_that_is_too_old_for_our_source_still_says_what_it_is(here: SshDevice, version: str) -> None:
    with pytest.raises(DeviceError, match=rf"is Python {version}: expected 3\.9 to 3\.14"):
        board_setup.setup(here, python=old_python(version), say=lambda text: None)


def test_a_python_without_the_module_venv_is_found(here: SshDevice, tmp_path: Path) -> None:
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow/venv.py").write_text("raise ImportError('not packaged here')")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/shadow exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(DeviceError, match=r"has no module venv\n  try: sudo apt-get install python3-venv, there"):
        board_setup.setup(here, python=str(python), say=lambda text: None)


def test_a_cache_where_nothing_can_be_made_is_found(ssh_server: SshServer) -> None:
    device = SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache="/proc/1/bitlens")
    with pytest.raises(DeviceError, match=r"nothing can be written to /proc/1, for /proc/1/bitlens: "):
        board_setup.setup(device, python=sys.executable, say=lambda text: None)


def test_a_board_that_greets_at_login_is_understood_all_the_same(here: SshDevice, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "Welcome to your Pi"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert survey(here, python=str(python))["bits"] == 64


OTHER_FORMS = ("", "null", "[]", "{}", '{"python": "3"}', json.dumps({**GOOD, "bits": "64"}))


@pytest.mark.parametrize("answer", OTHER_FORMS)
def test_an_answer_of_another_form_is_none(here: SshDevice, tmp_path: Path, answer: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho 'bitlens-survey {answer}'\n")
    python.chmod(0o755)
    assert survey(here, python=str(python)) == {}
