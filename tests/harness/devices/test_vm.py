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
from harness.devices.device import make_device
from harness.devices.setup import vm_image
from harness.devices.setup.vm_initrd import initrd
from harness.devices.vm import VmDevice
from harness.devices.vm_power import Machine
from harness.errors import ConfigError, DeviceError

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
    assert said == ["board: does not switch itself off; its power is cut", "board: switched off"]
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
    with pytest.raises(DeviceError, match="was built of Debian bookworm, and its row says trixie"):
        vm.switched_on(newer)


def test_a_machine_that_was_not_built_says_how_it_is(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"has not been built\n  try: bitlens device setup board"):
        vm.switched_on(VmDevice(name="board", release="bookworm", cache=str(tmp_path)))
    assert not vm_image.is_set_up(VmDevice(name="board", release="bookworm", cache=str(tmp_path)))


def test_all_that_is_lacking_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text("")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(vm, "PLACES", "")
    packages = "qemu-system-arm mmdebstrap e2fsprogs"
    with pytest.raises(DeviceError, match=rf"needs qemu-system-aarch64, mmdebstrap, mke2fs.*\n.*install {packages}$"):
        vm_image.setup(VmDevice(name="board", release="bookworm", cache=str(tmp_path / "cache")), say=str)
    assert not (tmp_path / "cache").exists()


def test_what_was_half_built_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = tmp_path / "bookworm"
    (tmp_path / "part-killed").mkdir()
    built: list[Path] = []

    def build(release: str, scratch: Path, say: object) -> None:
        built.append(scratch)
        if len(built) == 1:
            raise KeyboardInterrupt
        for part in vm.PARTS:
            (scratch / part).write_text(part)

    monkeypatch.setattr(vm_image, "_build", build)
    with pytest.raises(KeyboardInterrupt):
        vm_image.build("bookworm", image, say=str)
    assert os.listdir(tmp_path) == []
    for _ in range(2):
        vm_image.build("bookworm", image, say=str)
    assert len(built) == 2
    vm_image.copy(image, tmp_path / "board")
    assert sorted(os.listdir(tmp_path)) == ["board", "bookworm"]
    assert {path.name: path.read_text() for path in (tmp_path / "board").iterdir()} == {n: n for n in vm.PARTS}


@pytest.mark.parametrize("name", ["pi 4", "../../escape", "a,b", "-rf", ".hidden", "x" * 300, "käse"])
def test_any_name_has_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    device = VmDevice(name=name, release="trixie", cache=str(tmp_path))
    assert device.machine().folder.parent == tmp_path / "vm/boards"
    assert device.machine().folder.name.isalnum()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, 'release: expected "bookworm" or "trixie", releases of Debian, got nothing'),
        ({"release": "jessie"}, 'release: expected "bookworm" or "trixie", releases of Debian, got "jessie"'),
        ({"release": "trixie", "ram_mib": 64}, "ram_mib: expected an integer of 256 or more, got 64"),
        ({"release": "trixie", "host": "pi"}, 'unknown key "host"'),
    ],
)
def test_a_row_with_something_else_is_refused(row: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_device({"name": "board", "kind": "vm", **row})
    assert words in str(caught.value)


def test_the_initrd_has_the_modules_that_the_kernel_lacks_in_their_order(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/modules/6.1"
    (folder / "kernel").mkdir(parents=True)
    for name, needs in {"virtio-blk": "virtio_ring", "virtio_ring": "", "virtio_net": "virtio_ring", "nfs": ""}.items():
        (folder / f"kernel/{name}.ko").write_bytes(b"\0license=GPL\0depends=" + needs.encode() + b"\0name=x\0")
    (folder / "modules.builtin").write_text("kernel/fs/ext4.ko\nkernel/virtio_pci.ko\nkernel/virtio-rng.ko\n")
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    (tmp_path / "initrd").write_bytes(initrd(tmp_path, "6.1"))
    entries = unpacked(tmp_path / "initrd")
    assert b"for module in virtio_ring.ko virtio-blk.ko virtio_net.ko; do" in entries["init"]
    assert entries["bin/busybox"] == b"busybox"
    assert "modules/nfs.ko" not in entries
    (folder / "modules.builtin").write_text("")
    with pytest.raises(DeviceError, match=r"the kernel 6\.1 has no module virtio_pci"):
        initrd(tmp_path, "6.1")


def unpacked(archive: Path) -> dict[str, bytes]:
    """Name and bytes of each file of a compressed newc archive, read as cpio(5) describes it."""
    import gzip

    content, entries, at = gzip.decompress(archive.read_bytes()), {}, 0
    while True:
        assert content[at : at + 6] == b"070701"
        fields = [int(content[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        name = content[at + 110 : at + 110 + name_size - 1].decode()
        at += (110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return entries
        entries[name] = content[at : at + size]
        at += (size + 3) // 4 * 4


def test_the_note_of_a_start_says_what_was_started(device: VmDevice) -> None:
    port = device.machine().switch_on(say=str)
    note = json.loads((device.machine().folder / "started.json").read_text())
    assert note == {"port": port, "ram_mib": 2048, "cpu": "cortex-a72", "answered": True}
