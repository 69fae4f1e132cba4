"""Setting up a board over a real sshd, with wheels of our own making; and which wheels a board needs."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.devices.setup import board as board_setup
from harness.devices.setup import wheels
from harness.devices.ssh import SshDevice, remote_command
from harness.devices.transport.pipe import open_channel
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import SshServer

PI_OS_12 = wheels.Target(python=(3, 11), architecture="aarch64", glibc=(2, 36))


@pytest.mark.parametrize(
    ("python", "glibc", "runtime"),
    [
        ((3, 9), (2, 36), "tflite-runtime==2.14.0"),
        ((3, 11), (2, 36), "tflite-runtime==2.14.0"),
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
        return [wheel]

    monkeypatch.setattr(wheels, "fetch", fetch)
    return SshDevice(name="pi4", host="board", config=str(ssh_server.config), cache=str(tmp_path / "board"))


def test_setup_makes_a_private_environment_and_is_repeatable(board: SshDevice, tmp_path: Path) -> None:
    said: list[str] = []
    first = board_setup.setup(board, python=sys.executable, say=said.append)
    assert first["changed"]
    assert "tflite-runtime==2.14.0" in "\n".join(said)
    site = next(Path(board.cache).glob("venv/lib/python*/site-packages"))
    assert "tflite-runtime==2.14.0" in (site / "probe.py").read_text()
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
    assert [path.name for path in Path(board.cache).iterdir()] == ["mine.txt"]
    board_setup.remove(board, python=sys.executable, say=said.append)
    assert said[-1] == "pi4: nothing to remove"


def test_a_setup_that_was_cut_off_is_done_again(board: SshDevice) -> None:
    board_setup.setup(board, python=sys.executable, say=lambda text: None)
    (Path(board.cache) / "venv/bitlens-requirements").unlink()
    assert board_setup.setup(board, python=sys.executable, say=lambda text: None)["changed"]


def test_the_remote_command_is_one_word_for_any_login_shell() -> None:
    command = remote_command("/opt/my python", cache="~/my cache")
    assert command.startswith("sh -c '")
    assert "exit $?" in command
