"""Building the image of a booted board: Debian's packages unpacked, made bootable, and put into a file with ext4.

No program of the image is executed and nothing here needs root, so it takes half a minute on any processor. Whoever
builds holds the release's lock; what was half built is thrown away by the next who builds.
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
from harness.devices.setup.vm_initrd import initrd
from harness.devices.setup.vm_system import configure
from harness.errors import DeviceError

PACKAGES = (
    "?essential",  # Debian's own word for what no system is without
    "linux-image-cloud-arm64,busybox-static,kmod,systemd,systemd-sysv,udev,dbus,passwd,login,libpam-modules,"
    "libpam-runtime,sudo,openssh-server,iproute2,procps,hostname,less,ca-certificates,libstdc++6,python3,python3-venv",
)
DISK_BYTES = 4 << 30  # of which the file takes as much as is written
_LEFT_OUT = ("./dev/*", "./boot/System.map*", "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*")
_MERGED = ("bin", "sbin", "lib")  # links into usr, on the release too whose packages do not bring them
PARTS = ("kernel", "initrd", "disk.img", "key", "host_key.pub", "release")
Say = Callable[[str], None]


def is_whole(folder: Path) -> bool:
    """Whether the folder holds an image, or a board made of one. It gets its name once all of it is on the disk."""
    return all((folder / part).exists() for part in PARTS)


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
    return shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "mke2fs"


# Program, and the Debian package that it is in.
NEEDED = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mmdebstrap": "mmdebstrap",
    "ssh": "openssh-client",
    "mke2fs": "e2fsprogs",
}


def require_programs(name: str) -> None:
    """Raises DeviceError with everything that is lacking, and the packages that have it."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [program for program in NEEDED if shutil.which(program, path=places) is None]
    if lacking:
        packages = " ".join(NEEDED[program] for program in lacking)
        problem = f'device "{name}": a virtual machine needs {", ".join(lacking)}, not found on this machine'
        raise DeviceError(problem, hint=f"apt-get install {packages}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        words = printable(done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]
        told = next((line for line in words if line.startswith("E:")), words[-1])
        raise DeviceError(f"{command[0]} failed: {told}")
