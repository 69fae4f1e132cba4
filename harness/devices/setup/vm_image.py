"""Building the image of a booted board: Debian's packages unpacked, made bootable, and put into a file with ext4.

No program of the image is executed and nothing here needs root, so it takes half a minute on any processor. Whoever
builds holds a lock; what was half built is thrown away by the next who builds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from device import files
from device.text import printable
from harness.devices.row import RELEASES
from harness.devices.setup import board as board_setup
from harness.devices.setup.vm_initrd import initrd
from harness.devices.setup.vm_system import configure
from harness.devices.transport.bootstrap import CACHE, cache_folder
from harness.devices.vm import PLACES, TO_BUILD, TO_USE, VmDevice, is_whole, require_programs, switched_on, vm_folder
from harness.devices.vm_power import locked
from harness.errors import DeviceError

PACKAGES = (
    "?essential",  # Debian's own word for what no system is without
    "linux-image-cloud-arm64,busybox-static,kmod,systemd,systemd-sysv,udev,dbus,passwd,login,libpam-modules,"
    "libpam-runtime,sudo,openssh-server,iproute2,procps,hostname,less,ca-certificates,libstdc++6,python3,python3-venv",
)
DISK_BYTES = 4 << 30  # of which the file takes as much as is written
_LEFT_OUT = ("./dev/*", "./boot/System.map*", "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*")
_MERGED = ("bin", "sbin", "lib")  # links into usr, on the release too whose packages do not bring them
Say = Callable[[str], None]


def setup(device: VmDevice, *, python: str = board_setup.PYTHON, say: Say = print) -> None:
    """Build the image where it is missing, boot it, and prepare it as any board. Raises DeviceError."""
    folder = device.machine().folder
    require_programs(device.name, TO_USE if is_whole(folder) else TO_BUILD)
    images = _own_folder(device)
    with locked(images, lambda: say(f"{device.name}: another bitlens is building a virtual machine; waiting")):
        if is_whole(folder):
            say(f"{device.name}: the virtual machine is there already")
        else:
            say(f"{device.name}: a virtual machine -> {folder}")
            build(device.release, images / device.release, say=say)
            copy(images / device.release, folder)
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


def is_set_up(device: VmDevice) -> bool:
    """Whether it is built and its environment is whole, for which it boots. Raises DeviceError."""
    return is_whole(device.machine().folder) and board_setup.is_set_up(switched_on(device))


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


def build(release: str, folder: Path, *, say: Say) -> None:
    """Make the image of this Debian release in the folder, unless it is there. Raises DeviceError."""
    if not is_whole(folder):
        say(f"  Debian {release} for arm64 out of its packages")
        _make_beside(folder, lambda scratch: _build(release, scratch, say))


def copy(image: Path, folder: Path) -> None:
    """A board's own copy of an image, which takes as much room as is written there. Raises DeviceError."""
    command = ["cp", "--archive", "--sparse=always", "--reflink=auto", f"{image}/."]
    _make_beside(folder, lambda scratch: _run([*command, str(scratch)]))


def _make_beside(folder: Path, make: Callable[[Path], None]) -> None:
    """What was half made before is thrown away; what is made gets its name when it is on the disk."""
    for stale in folder.parent.glob("part-*"):
        files.discard(str(stale))
    scratch = Path(tempfile.mkdtemp(prefix="part-", dir=folder.parent))
    try:
        make(scratch)
        os.sync()
        files.discard(str(folder))
        files.move_whole(str(scratch), str(folder))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build(release: str, scratch: Path, say: Say) -> None:
    root, packages = scratch / "root", scratch / "packages.tar"
    options = ["--quiet", "--variant=extract", "--architectures=arm64", '--aptopt=APT::Install-Recommends "false"']
    options += [] if os.geteuid() == 0 else ["--mode=chrootless"]  # which asks for no rights, and executes nothing
    _run(["mmdebstrap", *options, *(f"--include={names}" for names in PACKAGES), release, str(packages)])
    _unpack(packages, root)
    for key in ("key", "host_key"):
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"bitlens {release}", "-f", str(scratch / key)])
    configure(root, public_key=(scratch / "key.pub").read_text(), host_key=scratch / "host_key")
    say("  kernel and initrd")
    kernel = next((root / "boot").glob("vmlinuz-*"))
    (scratch / "initrd").write_bytes(initrd(root, kernel.name.partition("-")[2]))
    shutil.move(kernel, scratch / "kernel")
    say("  a disk with all that")
    _make_disk(root, scratch / "disk.img")
    files.discard(str(root))
    (scratch / "host_key").unlink()  # the board has it
    (scratch / "release").write_text(release)


def _unpack(packages: Path, root: Path) -> None:
    for name in _MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    options = ["--no-same-owner", "--preserve-permissions", "--keep-directory-symlink"]
    _run(["tar", "-C", str(root), *options, *(f"--exclude={name}" for name in _LEFT_OUT), "-xf", str(packages)])
    packages.unlink()
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)


def _make_disk(root: Path, disk: Path) -> None:
    """A user who is not root is root to mke2fs alone, so that the files are root's in the image."""
    with disk.open("wb") as file:
        file.truncate(DISK_BYTES)
    as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    _run([*as_root, _mke2fs(), "-q", "-F", "-t", "ext4", "-L", "board", "-d", str(root), str(disk)])


def _mke2fs() -> str:
    return shutil.which("mke2fs", path=os.environ.get("PATH", "") + PLACES) or "mke2fs"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        words = printable(done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        told = next((line for line in words if line.startswith("E:")), words[-1])
        raise DeviceError(f"{command[0]} failed: {told}")
