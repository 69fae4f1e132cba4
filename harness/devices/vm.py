"""A booted aarch64 board under full-system qemu: its own kernel, systemd, sshd, Python and disk, and no internet.

It is reached over SSH as any board is, and boots when it is first used. What it does is done as on a board; its time
says nothing of one. `bitlens device setup` builds it (setup/vm_image.py), vm_power.py switches it on and off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device import files
from harness.devices.setup import board as board_setup
from harness.devices.setup import vm_image
from harness.devices.setup.vm_system import USER
from harness.devices.ssh import WAIT_SECONDS, SshDevice
from harness.devices.transport.bootstrap import CACHE, cache_folder
from harness.devices.transport.pipe import Connection
from harness.devices.transport.session import Session
from harness.devices.vm_power import Machine, Say, locked, say_beside
from harness.errors import DeviceError

RELEASES = ("bookworm", "trixie")
CONNECT_SECONDS = 300.0  # an emulated Python takes its time, on a busy machine above all
_SSH_CONFIG = """\
Host board
    HostName 127.0.0.1
    HostKeyAlias bitlens-vm
    IdentityFile "{folder}/key"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmDevice:
    """`release` is a Debian release, `cpu` one of qemu's names, `ram_mib` the memory of the whole board.

    cache  where this host keeps the image and the board's disk.
    """

    name: str
    release: str
    kind: str = field(default="vm", init=False)
    cpu: str = "cortex-a72"
    ram_mib: int = 2048
    cache: str = CACHE
    memory_mib: int | None = None
    wait_s: float = WAIT_SECONDS

    @contextmanager
    def open(self) -> Iterator[Session]:
        with switched_on(self).open() as session:
            yield session

    def machine(self) -> Machine:
        folder = vm_folder(self.cache) / "boards" / _folder_name(self.name)
        return Machine(name=self.name, folder=folder, cpu=self.cpu, ram_mib=self.ram_mib)


class BootedBoard(SshDevice):
    """What has booted is a board over SSH; it only takes longer to answer."""

    def connection(self, *, python: str | None = None) -> Connection:
        return dataclasses.replace(SshDevice.connection(self, python=python), connect_s=CONNECT_SECONDS)


def vm_folder(cache: str) -> Path:
    """Where images lie, by release, and boards."""
    return Path(cache_folder(cache)) / "vm"


def switched_on(device: VmDevice, *, say: Say = say_beside) -> BootedBoard:
    """The board over SSH, booted if it was not. Raises DeviceError."""
    machine = device.machine()
    if not vm_image.is_whole(machine.folder):
        problem = f'device "{device.name}": the virtual machine has not been built'
        raise DeviceError(problem, hint=f"bitlens device setup {device.name}")
    release = (machine.folder / "release").read_text()
    if release != device.release:
        problem = f'device "{device.name}": was built of Debian {release}, and its row says {device.release}'
        raise DeviceError(problem, hint=f"bitlens device remove {device.name}, and set it up again")
    vm_image.require_programs(device.name)
    return _over_ssh(device, machine.switch_on(say=say))


def setup(device: VmDevice, *, python: str = board_setup.PYTHON, say: Say = print) -> None:
    """Build the image where it is missing, boot it, and prepare it as any board. Raises DeviceError."""
    vm_image.require_programs(device.name)
    folder, images = device.machine().folder, _own_folder(device)
    with locked(images, lambda: say(f"{device.name}: another bitlens is building a virtual machine; waiting")):
        if vm_image.is_whole(folder):
            say(f"{device.name}: the virtual machine is there already")
        else:
            say(f"{device.name}: a virtual machine -> {folder}")
            vm_image.build(device.release, images / device.release, say=say)
            vm_image.copy(images / device.release, folder)
    board_setup.setup(switched_on(device, say=say), python=python, say=say)


def remove(device: VmDevice, *, python: str = "", say: Say = print) -> None:
    """Switch it off and drop it; the image as well, where no other board has been made of it."""
    machine = device.machine()
    if not machine.folder.exists():
        say(f"{device.name}: nothing to remove")
        return
    images = _own_folder(device)
    with locked(images, lambda: say(f"{device.name}: another bitlens is building a virtual machine; waiting")):
        machine.cut_power()
        say(f"removing {machine.folder}")
        files.discard(str(machine.folder))
        for image in [images / release for release in RELEASES if (images / release).exists()]:
            if image.name not in [path.read_text() for path in images.glob("boards/*/release")]:
                say(f"removing {image}")
                files.discard(str(image))


def stop(device: VmDevice, *, say: Say = print) -> None:
    """Switch it off in good order; its disk stays."""
    machine = device.machine()
    was_on = machine.folder.exists() and machine.switch_off(
        lambda: as_root(device, "systemctl --no-block poweroff && echo told").stdout == "told\n", say=say
    )
    say(f"{device.name}: {'switched off' if was_on else 'is not running'}")


def is_set_up(device: VmDevice) -> bool:
    """Whether it is built and its environment is whole, for which it boots. Raises DeviceError."""
    return vm_image.is_whole(device.machine().folder) and board_setup.is_set_up(switched_on(device))


def as_root(device: VmDevice, command: str, *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """What the board's root says to this command while it runs; exit status 255 where nobody answers."""
    config, port = device.machine().folder / "ssh_config", str(device.machine().port() or 0)
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-F", str(config), "-p", port]
    order = ["ssh", *options, "--", "root@board", command]
    try:
        return subprocess.run(
            order, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(order, 255, "", f"no answer within {seconds:.0f} s")


def _over_ssh(device: VmDevice, port: int) -> BootedBoard:
    folder = device.machine().folder
    config = folder / "ssh_config"
    host_key = (folder / "host_key.pub").read_text()
    files.write_whole(str(folder / "known_hosts"), f"bitlens-vm {host_key}".encode())
    files.write_whole(str(config), _SSH_CONFIG.format(folder=folder).encode())
    return BootedBoard(
        name=device.name, host=f"{USER}@board", port=port, config=str(config), memory_mib=device.memory_mib
    )


def _own_folder(device: VmDevice) -> Path:
    """The folder of images and boards, made and known to be ours. Raises DeviceError."""
    folder = vm_folder(device.cache)
    try:
        files.claim_cache(cache_folder(device.cache), adopt=device.cache == CACHE)
        for path in (folder, folder / "boards"):
            files.private_folder(str(path))
    except OSError as error:
        raise DeviceError(f"the virtual machines' folder: {error}") from error
    return folder


def _folder_name(name: str) -> str:
    """A device may have any name; its folder has one that every file system and qemu take."""
    return (
        name if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name) else hashlib.sha256(name.encode()).hexdigest()
    )
