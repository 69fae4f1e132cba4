"""Setting up a board over a real sshd, with wheels of our own making; and which wheels a board needs."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from device.files import MARKER
from harness.devices.setup import board as board_setup
from harness.devices.setup import wheels
from harness.devices.ssh import SshDevice, remote_command
from harness.devices.transport.pipe import open_channel
from harness.errors import DeviceError
from tests.device.test_own_files import mode
from tests.harness.devices.devices_under_test import SshServer

PI_OS_12 = wheels.Target(python=(3, 11), architecture="aarch64", glibc=(2, 36))


@pytest.mark.parametrize(
    ("python", "glibc", "runtime"),
    [
        ((3, 9), (2, 36), "tflite-runtime==2.14.0"),
        ((3, 11), (2, 36), "ai-edge-litert>=2.1.6"),
        ((3, 10), (2, 31), "ai-edge-litert>=2.1.6"),
        ((3, 13), (2, 41), "ai-edge-litert>=2.1.6"),
    ],
)
def test_the_runtime_follows_from_python_and_the_c_library(
    python: tuple[int, int], glibc: tuple[int, int], runtime: str
) -> None:
    numpy, chosen = wheels.requirements(wheels.Target(python=python, architecture="aarch64", glibc=glibc))
    assert chosen == runtime
    assert (",<2" in numpy) == chosen.startswith("tflite-runtime")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            wheels.Target(python=(3, 11), architecture="armv7l", glibc=(2, 36), bits=32),
            "no TFLite runtime for a 32-bit",
        ),
        (wheels.Target(python=(3, 8), architecture="aarch64", glibc=(2, 36)), "Python 3.8: expected 3.9 to 3.14"),
        (wheels.Target(python=(3, 9), architecture="aarch64", glibc=(2, 31)), "glibc 2.31: tflite-runtime needs 2.34"),
        (wheels.Target(python=(3, 12), architecture="aarch64", glibc=(2, 19)), "glibc 2.19: ai-edge-litert needs 2.27"),
    ],
)
def test_a_board_that_no_runtime_fits_is_refused_with_the_reason(target: wheels.Target, words: str) -> None:
    with pytest.raises(DeviceError, match=words):
        wheels.requirements(target)


def test_platforms_go_down_from_the_boards_own_c_library() -> None:
    names = wheels.platforms(PI_OS_12)
    assert names[0] == "manylinux_2_36_aarch64"
    assert names[-1] == "manylinux2014_aarch64"


@pytest.fixture
def board(ssh_server: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SshDevice:
    """This host as a fresh board; pip is replaced by a wheel that is made here."""

    def fetch(wanted: Sequence[str], target: wheels.Target, folder: Path) -> list[Path]:
        wheel = tmp_path / "probe-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("probe.py", f"WANTED = {list(wanted)!r}")
            archive.writestr("numpy.py", "")
            archive.writestr("ai_edge_litert/interpreter.py", "")
        return [wheel]

    monkeypatch.setattr(wheels, "fetch", fetch)
    return SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache=str(tmp_path / "board"))


def test_setup_makes_a_private_environment_and_is_repeatable(board: SshDevice, tmp_path: Path) -> None:
    said: list[str] = []
    first = board_setup.setup(board, python=sys.executable, say=said.append)
    assert first["changed"]
    assert "ai-edge-litert>=2.1.6" in "\n".join(said)
    site = next(Path(board.cache).glob("venv/lib/python*/site-packages"))
    assert "ai-edge-litert>=2.1.6" in (site / "probe.py").read_text()
    assert not board_setup.setup(board, python=sys.executable, say=said.append)["changed"]
    assert said[-1].strip() == "there already"


def test_the_environment_is_used_once_it_is_there(board: SshDevice) -> None:
    board_setup.setup(board, python=sys.executable, say=lambda text: None)
    with open_channel(board.connection(), "import sys; channel.send(sys.executable)") as (_, channel):
        assert channel.receive(timeout=60) == f"{board.cache}/venv/bin/python"


def test_remove_undoes_setup_and_leaves_what_is_not_ours(board: SshDevice) -> None:
    board_setup.setup(board, python=sys.executable, say=lambda text: None)
    (Path(board.cache) / "mine.txt").write_text("kept")
    said: list[str] = []
    board_setup.remove(board, python=sys.executable, say=said.append)
    assert {path.name for path in Path(board.cache).iterdir()} == {"mine.txt", MARKER}
    board_setup.remove(board, python=sys.executable, say=said.append)
    assert said[-1] == "pi4: nothing to remove"


def test_a_setup_that_was_cut_off_is_done_again(board: SshDevice) -> None:
    board_setup.setup(board, python=sys.executable, say=lambda text: None)
    (Path(board.cache) / "venv/bitlens-requirements").unlink()
    assert board_setup.setup(board, python=sys.executable, say=lambda text: None)["changed"]


@pytest.fixture
def prepared(board: SshDevice) -> SshDevice:
    board_setup.setup(board, python=sys.executable, say=lambda text: None)
    return board


def site_of(board: SshDevice) -> Path:
    return next(Path(board.cache).glob("venv/lib/python*/site-packages"))


BROKEN: dict[str, Callable[[SshDevice], object]] = {
    "a module cut to nothing": lambda board: (site_of(board) / "ai_edge_litert/interpreter.py").unlink(),
    "no interpreter": lambda board: (Path(board.cache) / "venv/bin/python").unlink(),
    "a module with zeros": lambda board: (site_of(board) / "numpy.py").write_bytes(bytes(100)),
    "requirements cut to nothing": lambda board: (Path(board.cache) / "venv/bitlens-requirements").write_text(""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_environment_that_does_not_start_is_noticed_and_made_again(prepared: SshDevice, how: str) -> None:
    assert board_setup.is_set_up(prepared)
    BROKEN[how](prepared)
    assert not board_setup.is_set_up(prepared)
    assert board_setup.setup(prepared, python=sys.executable, say=lambda text: None)["changed"]
    assert board_setup.is_set_up(prepared)


def test_an_environment_that_cannot_start_is_said_and_not_called_whole(
    board: SshDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "MODULES", {**wheels.MODULES, "numpy": "no_such_module"})
    with pytest.raises(DeviceError, match=r"was made, and does not start: .*No module named 'no_such_module'"):
        board_setup.setup(board, python=sys.executable, say=lambda text: None)
    assert not (Path(board.cache) / "venv/bitlens-requirements").exists()


@pytest.mark.parametrize("own", ["venv", "artifacts", "agent"])
@pytest.mark.parametrize("verb", ["setup", "remove"])
def test_a_folder_of_the_users_own_is_refused_and_left_as_it_is(board: SshDevice, own: str, verb: str) -> None:
    mine = Path(board.cache) / own
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(DeviceError, match=r"was not made by bitlens .* give the device another folder"):
        getattr(board_setup, verb)(board, python=sys.executable, say=lambda text: None)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in Path(board.cache).iterdir()] == [own]


def test_an_interpreter_in_a_folder_that_others_may_write_to_is_not_started(prepared: SshDevice) -> None:
    witness = Path(prepared.cache).with_name("witness")
    python = Path(prepared.cache) / "venv/bin/python"
    python.unlink()
    python.write_text(f'#!/bin/sh\ntouch {witness}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    Path(prepared.cache).chmod(0o777)
    for _ in range(2):
        with open_channel(prepared.connection(), "channel.send(1)") as (_process, channel):
            assert channel.receive(timeout=60) == 1
    assert not witness.exists()
    Path(prepared.cache).chmod(0o700)
    with open_channel(prepared.connection(), "channel.send(1)") as (_process, channel):
        assert channel.receive(timeout=60) == 1
    assert witness.exists()


def test_what_setup_makes_is_closed_to_others(prepared: SshDevice) -> None:
    assert mode(prepared.cache) == 0o700
    assert (Path(prepared.cache) / MARKER).is_file()
    assert mode(Path(prepared.cache) / "venv/bitlens-requirements") == 0o600


@pytest.mark.parametrize("how", ["whole", "cut in half", "altered", "removed", "list cut to nothing"])
def test_fetched_wheels_are_used_again_only_while_they_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    fetched: list[Path] = []

    def download(wanted: Sequence[str], target: wheels.Target, folder: Path) -> None:
        fetched.append(folder / "probe-1.0-py3-none-any.whl")
        fetched[-1].write_bytes(b"a wheel" * 100)

    monkeypatch.setattr(wheels, "_download", download)
    (wheel,) = wheels.fetch(["probe==1.0"], PI_OS_12, tmp_path)
    if how == "cut in half":
        wheel.write_bytes(wheel.read_bytes()[:300])
    elif how == "altered":
        wheel.write_bytes(b"a wheal" * 100)
    elif how == "removed":
        wheel.unlink()
    elif how.startswith("list"):
        next(tmp_path.glob("complete-*")).write_text("")
    assert wheels.fetch(["probe==1.0"], PI_OS_12, tmp_path) == [wheel]
    assert wheel.read_bytes() == b"a wheel" * 100
    assert len(fetched) == (1 if how == "whole" else 2)


def test_the_remote_command_is_one_word_for_any_login_shell() -> None:
    command = remote_command("/opt/my python", cache="~/my cache")
    assert command.startswith("sh -c '")
    assert "exit $?" in command
