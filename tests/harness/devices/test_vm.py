"""Virtual machines without one: a small program in qemu's place, to crash, refuse, hang and be started twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.devices import vm, vm_power
from harness.devices.setup import vm_image
from harness.devices.vm import VmDevice
from harness.devices.vm_power import Machine
from harness.errors import DeviceError

# It listens where qemu would, and greets as sshd does once the file "greets" lies beside the disk.
FAKE_QEMU = """\
#!{python}
import re, socket, sys, time
from pathlib import Path
words = " ".join(sys.argv)
disk = Path(re.search("file=(.*?),format", words)[1])
behaviour = (disk.parent / "behaviour").read_text()
if behaviour == "refuses":
    sys.exit("qemu-system-aarch64: cannot set up guest memory")
server = socket.create_server(("127.0.0.1", int(re.search("127.0.0.1:([0-9]+)-", words)[1])))
starts = disk.parent / "starts"
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
Path(re.search("file:(\\\\S+)", words)[1]).write_text("Booting Linux\\nKernel panic - not syncing: no disk\\n")
if behaviour == "panics":
    time.sleep(0.3)
    sys.exit(0)
while True:
    connection, _ = server.accept()
    if (disk.parent / "behaviour").read_text() == "greets":
        connection.sendall(b"SSH-2.0-fake\\r\\n")
    connection.close()
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VmDevice]:
    """A virtual machine that was built, with a fake qemu."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "qemu-system-aarch64").write_text(FAKE_QEMU.format(python=sys.executable))
    (programs / "qemu-system-aarch64").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setattr(vm_power, "LOOK_SECONDS", 0.02)
    made = VmDevice(name="board", release="bookworm", cache=str(tmp_path / "cache"))
    folder = plant(made)
    (folder / "behaviour").write_text("greets")
    yield made
    made.machine().cut_power()


def plant(device: VmDevice) -> Path:
    """What setup would have left, as far as nobody boots it."""
    vm_image._own_folder(device)
    folder = device.machine().folder
    folder.mkdir()
    for part in vm.PARTS:
        (folder / part).write_text(f"{part}\n")
    (folder / "release").write_text(device.release)
    return folder


def starts(device: VmDevice) -> int:
    return len((device.machine().folder / "starts").read_text())


def test_it_boots_once_for_all_who_use_it_at_the_same_time(device: VmDevice) -> None:
    ports: list[int] = []
    said: list[str] = []
    users = [threading.Thread(target=lambda: ports.append(device.machine().switch_on(say=said.append))) for _ in "abc"]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert starts(device) == 1
    assert len(set(ports)) == 1
    assert sum("booting (console: " in line for line in said) == 1
    assert sum("up after" in line for line in said) == 1
    assert device.machine().switch_on(say=said.append) == ports[0]


def test_it_boots_again_after_its_power_was_cut(device: VmDevice) -> None:
    device.machine().switch_on(say=str)
    device.machine().cut_power()
    assert device.machine().port() is None
    device.machine().switch_on(say=str)
    assert starts(device) == 2
    assert (device.machine().folder / "console-before.log").read_text() == device.machine().console.read_text()


@pytest.mark.parametrize("left", ["", "{", "[]", '{"port": 1, "answered": true}', '{"port": "ssh"}'])
def test_notes_of_a_machine_that_does_not_run_are_not_believed(device: VmDevice, left: str) -> None:
    (device.machine().folder / "started.json").write_text(left)
    (device.machine().folder / "qemu.pid").write_text(str(os.getpid()))
    assert device.machine().port() is None
    device.machine().switch_on(say=str)
    assert starts(device) == 1


def test_a_boot_that_whoever_began_it_did_not_see_the_end_of_is_waited_for(device: VmDevice) -> None:
    began = subprocess.Popen(
        [sys.executable, "-c", FIRST_USER.format(machine=device.machine(), sleep="signal.pause()")],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert began.stdout is not None
    assert began.stdout.readline() == b"board: booting\n"
    began.send_signal(signal.SIGKILL)
    began.wait()
    began.stdout.close()
    said: list[str] = []
    device.machine().switch_on(say=said.append)
    assert starts(device) == 1
    assert [line.split(" after")[0] for line in said] == ["board: up"]


FIRST_USER = """\
import signal
from pathlib import PosixPath
from harness.devices.vm_power import Machine
def say(line):
    print(line.partition(" (")[0], flush=True)
    {sleep}
{machine!r}.switch_on(say=say)
"""


def test_a_port_that_another_process_has_taken_is_left_to_it(device: VmDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def spawn(self: Machine, port: int) -> str:
        tried.append(port)
        return "Could not set up host forwarding rule 'tcp:127.0.0.1:22-:22'" if len(tried) < 3 else ""

    monkeypatch.setattr(Machine, "_spawn", spawn)
    device.machine()._start()
    assert len(set(tried)) == 3


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("refuses", r'device "board": qemu-system-aarch64 did not start: .*cannot set up guest memory'),
        (
            "panics",
            r"did not boot: its qemu ended; its console ends with:\n.*\n    Kernel panic - not syncing: no disk",
        ),
        (
            "is silent",
            r"did not boot: no answer from its sshd within 1 s; its console ends with:\n(.*\n)*.*console\.log",
        ),
    ],
)
def test_a_boot_that_fails_says_why(
    device: VmDevice, monkeypatch: pytest.MonkeyPatch, behaviour: str, words: str
) -> None:
    monkeypatch.setattr(vm_power, "BOOT_SECONDS", 1.0)
    (device.machine().folder / "behaviour").write_text(behaviour)
    with pytest.raises(DeviceError, match=words):
        device.machine().switch_on(say=str)


def test_progress_is_told_while_it_boots(device: VmDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_power, "TELL_SECONDS", 0.0)
    behaviour = device.machine().folder / "behaviour"
    behaviour.write_text("is silent")
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "still booting" in line:
            behaviour.write_text("greets")

    device.machine().switch_on(say=say)
    assert "booting (console:" in said[0]
    assert any("still booting after" in line for line in said)
    assert "up after" in said[-1]


@pytest.mark.parametrize("told", [True, False])
def test_a_machine_that_does_not_switch_itself_off_is_switched_off(
    device: VmDevice, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setattr(vm_power, "OFF_SECONDS", 0.2)
    monkeypatch.setattr(vm, "as_root", lambda *_: subprocess.CompletedProcess([], 0, "told\n" if told else "", ""))
    device.machine().switch_on(say=str)
    said: list[str] = []
    vm.stop(device, say=said.append)
    assert said == ["board: does not shut down; cutting its power", "board: switched off"]
    assert device.machine().pid() is None
    vm.stop(device, say=said.append)
    assert said[-1] == "board: is not running"


def test_remove_drops_the_board_and_the_image_that_no_other_board_is_made_of(device: VmDevice) -> None:
    images = vm.vm_folder(device.cache)
    (images / "bookworm").mkdir()
    other = VmDevice(name="another board", release="bookworm", cache=device.cache)
    plant(other)
    device.machine().switch_on(say=str)
    vm_image.remove(device, say=str)
    assert device.machine().pid() is None
    assert not device.machine().folder.exists()
    assert (images / "bookworm").exists()
    vm_image.remove(other, say=str)
    assert not (images / "bookworm").exists()
    said: list[str] = []
    vm_image.remove(other, say=said.append)
    assert said == ["another board: nothing to remove"]


def test_a_row_that_was_changed_since_is_said(device: VmDevice) -> None:
    device.machine().switch_on(say=str)
    small = VmDevice(name="board", release="bookworm", ram_mib=400, cache=device.cache)
    with pytest.raises(
        DeviceError, match=r"runs as cortex-a72 with 2048 MiB, and its row says cortex-a72 with 400 MiB"
    ):
        small.machine().switch_on(say=str)
    newer = VmDevice(name="board", release="trixie", cache=device.cache)
    with pytest.raises(DeviceError, match="was built from Debian bookworm, and its row says trixie"):
        vm.switched_on(newer)


def test_a_machine_that_was_not_built_says_how_it_is(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"has not been built\n  try: bitlens device setup board"):
        vm.switched_on(VmDevice(name="board", release="bookworm", cache=str(tmp_path)))
    assert not vm_image.is_set_up(VmDevice(name="board", release="bookworm", cache=str(tmp_path)))


def test_the_note_of_a_start_says_what_was_started(device: VmDevice) -> None:
    port = device.machine().switch_on(say=str)
    note = json.loads((device.machine().folder / "started.json").read_text())
    assert note == {"port": port, "ram_mib": 2048, "cpu": "cortex-a72", "answered": True}
