"""A booted aarch64 board under full-system qemu: its own kernel, systemd, sshd, Python and disk, and no internet.

It is reached over SSH as any board is, and boots when it is first used. What it does is done as on a board; its time
says nothing of one. `bitlens device setup` builds it (setup/vm_image.py), vm_power.py switches it on and off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device import files
from harness.devices.ssh import WAIT_SECONDS, SshDevice
from harness.devices.transport.bootstrap import CACHE, cache_folder
from harness.devices.transport.pipe import Connection
from harness.devices.transport.session import Session
from harness.devices.vm_power import Machine, Say
from harness.errors import DeviceError
from harness.saying import say

USER = "pi"  # who is logged in as, and may become root
PARTS = ("kernel", "initrd", "disk.img", "key", "host_key.pub", "release")
PACKAGES = {  # of Debian, by the program that is needed from them
    "qemu-system-aarch64": "qemu-system-arm",
    "ssh": "openssh-client",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
}
TO_USE, TO_BUILD = ("qemu-system-aarch64", "ssh"), tuple(PACKAGES)
PLACES = ":/usr/sbin:/sbin"  # which a user's PATH may lack
CONNECT_SECONDS = 300.0  # an emulated Python takes its time, on a busy machine above all
_SSH_CONFIG = """\
Host board
    HostName 127.0.0.1
    Port {port}
    User {user}
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


def require_programs(name: str, programs: tuple[str, ...] = TO_BUILD) -> None:
    """Raises DeviceError with everything that is lacking, and the packages that have it."""
    places = os.environ.get("PATH", "") + PLACES
    lacking = [program for program in programs if shutil.which(program, path=places) is None]
    if lacking:
        packages = " ".join(PACKAGES[program] for program in lacking)
        problem = f'device "{name}": a virtual machine needs {", ".join(lacking)}, not found on this machine'
        raise DeviceError(problem, hint=f"apt-get install {packages}")


def is_whole(folder: Path) -> bool:
    """Whether the folder holds an image, or a board made of one. It gets its name once all of it is on the disk."""
    return all((folder / part).exists() for part in PARTS)


def vm_folder(cache: str) -> Path:
    """Where images lie, by release, and boards."""
    return Path(cache_folder(cache)) / "vm"


def switched_on(device: VmDevice, *, say: Say = say) -> BootedBoard:
    """The board over SSH, booted if it was not. Raises DeviceError."""
    machine = device.machine()
    if not is_whole(machine.folder):
        problem = f'device "{device.name}": the virtual machine has not been built'
        raise DeviceError(problem, hint=f"bitlens device setup {device.name}")
    release = (machine.folder / "release").read_text()
    if release != device.release:
        problem = f'device "{device.name}": was built from Debian {release}, and its row says {device.release}'
        raise DeviceError(problem, hint=f"bitlens device remove {device.name}, and set it up again")
    require_programs(device.name, TO_USE)
    return _over_ssh(device, machine.switch_on(say=say))


def stop(device: VmDevice, *, say: Say = print) -> None:
    """Switch it off in good order; its disk stays."""
    machine = device.machine()
    was_on = machine.folder.exists() and machine.switch_off(
        lambda: as_root(device, "systemctl --no-block poweroff && echo told").stdout == "told\n", say=say
    )
    say(f"{device.name}: {'switched off' if was_on else 'is not running'}")


def as_root(device: VmDevice, command: str, *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """What the board's root says to this command while it runs; exit status 255 where nobody answers."""
    config = device.machine().folder / "ssh_config"
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-F", str(config)]
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
    files.write_whole(str(config), _SSH_CONFIG.format(folder=folder, port=port, user=USER).encode())
    return BootedBoard(name=device.name, host="board", config=str(config), memory_mib=device.memory_mib)


def _folder_name(name: str) -> str:
    """A device may have any name; its folder has one that every file system and qemu take."""
    return (
        name if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name) else hashlib.sha256(name.encode()).hexdigest()
    )
