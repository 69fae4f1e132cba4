"""What a power cut or a worn card leaves in a board's cache is noticed by content, and healed by setup and by jobs."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.devices import doctor
from harness.devices.client import hello
from harness.devices.setup import board as board_setup
from harness.devices.setup import wheels
from harness.devices.ssh import SshDevice
from harness.devices.transport.bootstrap import open_session
from harness.devices.transport.environment import environment_fault, list_environment
from harness.devices.transport.faults import EnvironmentDamaged
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import FLOAT, SshServer

LIBRARY = b"\x7fELF" + bytes(range(256)) * 16


def plant(venv: Path) -> None:
    """A small environment, listed as setup lists it."""
    site = venv / "lib/python3.11/site-packages"
    (site / "numpy/__pycache__").mkdir(parents=True)
    (site / "numpy/core.so").write_bytes(LIBRARY)
    (site / "numpy/__init__.py").write_text("")
    (site / "numpy/__pycache__/__init__.cpython-311.pyc").write_bytes(b"bytecode")
    (venv / "bin").mkdir()
    (venv / "bin/python").symlink_to(sys.executable)
    (venv / "lib64").symlink_to("lib")
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\n")
    list_environment(str(venv), ["numpy>=1.23.2,<2", "tflite-runtime==2.14.0"])


def other_link(link: Path) -> None:
    link.unlink()
    link.symlink_to("elsewhere")


SO = "lib/python3.11/site-packages/numpy/core.so"
SIZES: dict[str, Callable[[Path], object]] = {
    "a library cut to nothing": lambda venv: (venv / SO).write_bytes(b""),
    "a library cut in the middle": lambda venv: (venv / SO).write_bytes(LIBRARY[:2000]),
    "a library that is gone": lambda venv: (venv / SO).unlink(),
    "a library that is a folder": lambda venv: ((venv / SO).unlink(), (venv / SO).mkdir()),
    "a whole folder that is gone": lambda venv: shutil.rmtree(venv / "lib"),
    "an interpreter that is gone": lambda venv: (venv / "bin/python").unlink(),
    "a link to elsewhere": lambda venv: other_link(venv / "lib64"),
    "a configuration cut to nothing": lambda venv: (venv / "pyvenv.cfg").write_text(""),
    "a list cut to nothing": lambda venv: (venv / "bitlens-contents").write_text(""),
    "a list cut in the middle": lambda venv: (venv / "bitlens-contents").write_text('{"files": {"pyvenv.cfg": ['),
    "a list of something else": lambda venv: (venv / "bitlens-contents").write_text("[1, 2]"),
    "a list that is gone": lambda venv: (venv / "bitlens-contents").unlink(),
    "requirements cut to nothing": lambda venv: (venv / "bitlens-requirements").write_text(""),
    "a setup that was cut off": lambda venv: (venv / "bitlens-requirements").unlink(),
}


def test_all_files_are_on_the_disk_before_the_list_that_vouches_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    replace, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "sync", lambda: done.append("all"))
    monkeypatch.setattr(os, "fsync", lambda number: (done.append("one"), sync(number)))
    monkeypatch.setattr(os, "replace", lambda part, path: (done.append(Path(path).name), replace(part, path)))
    plant(tmp_path / "venv")
    assert done == ["all", "one", "bitlens-contents", "one", "one", "bitlens-requirements", "one"]


@pytest.mark.parametrize("how", SIZES)
def test_what_is_not_as_it_was_made_is_noticed_by_every_job(tmp_path: Path, how: str) -> None:
    venv = tmp_path / "venv"
    plant(venv)
    assert environment_fault(str(venv)) == ""
    SIZES[how](venv)
    assert environment_fault(str(venv)) != ""


@pytest.mark.parametrize("content", [bytes(len(LIBRARY)), LIBRARY[:-1] + b"?"], ids=["zeros", "one other byte"])
def test_altered_content_of_the_same_size_is_noticed_after_the_board_was_started_again(
    tmp_path: Path, content: bytes
) -> None:
    venv = tmp_path / "venv"
    plant(venv)
    assert environment_fault(str(venv)) == ""
    (venv / SO).write_bytes(content)
    (venv / "bitlens-checked").write_text("of an earlier start")
    for _ in range(2):  # until it is made again
        assert environment_fault(str(venv)) == f"{SO} is not as it was made"


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", None], ids=["empty", "not text", "gone"])
def test_a_note_of_the_last_check_that_is_damaged_only_means_another_check(tmp_path: Path, note: bytes | None) -> None:
    venv = tmp_path / "venv"
    plant(venv)
    assert environment_fault(str(venv)) == ""
    kept = (venv / "bitlens-checked").read_bytes()
    (venv / "bitlens-checked").unlink()
    if note is not None:
        (venv / "bitlens-checked").write_bytes(note)
    assert environment_fault(str(venv)) == ""
    assert (venv / "bitlens-checked").read_bytes() == kept


def test_bytecode_that_is_not_as_listed_is_removed_and_no_fault(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    plant(venv)
    folder = venv / "lib/python3.11/site-packages/numpy/__pycache__"
    (folder / "later.cpython-311.pyc").write_bytes(b"half")
    assert environment_fault(str(venv)) == ""
    assert [path.name for path in folder.iterdir()] == ["__init__.cpython-311.pyc"]
    (folder / "__init__.cpython-311.pyc").write_bytes(b"")
    (venv / "bitlens-checked").unlink()
    assert environment_fault(str(venv)) == ""
    assert list(folder.iterdir()) == []


def test_where_there_is_no_environment_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    assert environment_fault(str(tmp_path / "venv")) == ""


@pytest.fixture(scope="module")
def prepared(ssh_server: SshServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshDevice]:
    """This host as a board that was set up; its wheel borrows NumPy from here. What a test damages, its job heals."""
    folder = tmp_path_factory.mktemp("board")
    wheel = folder / "probe-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("here.pth", sysconfig.get_path("purelib"))
        archive.writestr("tflite_runtime/interpreter.py", "")
        archive.writestr("core.so", LIBRARY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wheels, "fetch", lambda wanted, target, folder: [wheel])
        board = SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache=str(folder / "cache"))
        board_setup.setup(board, python=sys.executable, say=lambda text: None)
        yield board


def site_of(board: SshDevice) -> Path:
    return next(Path(board.cache).glob("venv/lib/python*/site-packages"))


def zeros_after_a_power_cut(board: SshDevice) -> None:
    (site_of(board) / "core.so").write_bytes(bytes(len(LIBRARY)))
    (Path(board.cache) / "venv/bitlens-checked").unlink(missing_ok=True)


POWER_CUTS: dict[str, Callable[[SshDevice], object]] = {
    "a library cut in the middle": lambda board: (site_of(board) / "core.so").write_bytes(LIBRARY[:100]),
    "a library of zeros": zeros_after_a_power_cut,
    "no interpreter": lambda board: (Path(board.cache) / "venv/bin/python").unlink(),
    "a setup that was cut off": lambda board: (Path(board.cache) / "venv/bitlens-requirements").unlink(),
}


@pytest.mark.parametrize("how", POWER_CUTS)
def test_the_next_job_heals_the_environment_and_runs(
    prepared: SshDevice, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    POWER_CUTS[how](prepared)
    assert hello(prepared)["machine"]["executable"] == f"{prepared.cache}/venv/bin/python"
    told = capfd.readouterr()
    assert 'device "pi4": its environment is damaged: ' in told.err
    assert told.out == ""  # where a job's own output goes
    assert (site_of(prepared) / "core.so").read_bytes() == LIBRARY
    hello(prepared)
    assert capfd.readouterr().err == ""


def test_a_board_that_was_never_set_up_says_how_it_is(ssh_server: SshServer, tmp_path: Path) -> None:
    """Its python3 is one without NumPy, as on most boards."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    board = SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache=str(tmp_path / "cache"))
    connection = board.connection()
    command = (*connection.command[:-1], f"PATH={tmp_path}/bare/bin:$PATH; {connection.command[-1]}")
    with (
        pytest.raises(
            DeviceError, match=r'device "pi4": has not been set up: .*has no NumPy\n  try: .* device setup pi4$'
        ),
        open_session(dataclasses.replace(connection, command=command), cache=board.cache, own_environment=True),
    ):
        pass


def test_doctor_says_what_is_damaged_and_that_setup_heals_it(prepared: SshDevice) -> None:
    POWER_CUTS["a library of zeros"](prepared)
    (fault,) = [finding for finding in doctor.examine(prepared) if finding.severity == "error"]
    assert "its environment is damaged: lib/python" in fault.what
    assert "core.so is not as it was made" in fault.what
    assert fault.hint == "bitlens device setup pi4"
    with pytest.raises(EnvironmentDamaged), prepared.open():
        pass
    said: list[str] = []
    assert board_setup.setup(prepared, python=sys.executable, say=said.append)["changed"]
    assert any("made again: lib/python" in line for line in said)
    assert not [finding for finding in doctor.examine(prepared) if finding.hint == "bitlens device setup pi4"]


def test_agent_and_artifacts_that_were_cut_to_nothing_are_sent_again(prepared: SshDevice) -> None:
    sha256 = hashlib.sha256(FLOAT.read_bytes()).hexdigest()
    with prepared.open() as session:
        session.put(sha256, FLOAT, deadline_s=60)
    kept = [path for name in ("agent", "artifacts") for path in (Path(prepared.cache) / name).iterdir()]
    whole = {path: path.read_bytes() for path in kept}
    for path in kept:
        path.write_bytes(b"")
    with prepared.open() as session:
        session.put(sha256, FLOAT, deadline_s=60)
    assert len(whole) == 2
    assert {path: path.read_bytes() for path in kept} == whole
