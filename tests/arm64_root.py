"""An arm64 Debian under user-mode qemu, to do on aarch64 what people do on a Raspberry Pi: set up, convert, explain.

That qemu runs its programs is known in one user namespace alone (Linux 6.7), so nothing is registered with the machine
and no root is needed to enter. Roots stay in the cache, beside the emulated board; so does what was installed in them.
"""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from harness.devices.setup.emulated_root import CPUINFO
from harness.devices.transport.bootstrap import CACHE, cache_folder
from tests.test_bare_systems import copy_checkout

QEMU = "qemu-aarch64-static"
# What every Debian has, and what the README asks for. Packages are unpacked and not configured, which takes seconds.
PACKAGES = ("?essential", "apt,python3,python3-pip,make,ca-certificates")
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# An executable of 64 bits for machine 183, AArch64; F: opened now, since it is not inside the root.
PROGRAMS = (
    r":aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:{qemu}:F"
)
REGISTER = """\
set -eu
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf %s "$PROGRAMS" >/proc/sys/fs/binfmt_misc/register
"""
ENTER = """\
mount --rbind /dev "$0/dev"
mount --rbind /sys "$0/sys"
mount -t proc proc "$0/proc"
mount --bind "$0/etc/cpuinfo" "$0/proc/cpuinfo"
exec chroot "$0" env -C /bitlens "$@"
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c")


@dataclass(frozen=True)
class Arm64Root:
    """A root that holds a copy of this checkout in /bitlens, as it was when `arm64_root` was called."""

    folder: Path

    def run(self, *command: str, seconds: float = 3600) -> subprocess.CompletedProcess[str]:
        """A command in /bitlens. All that it starts ends with it."""
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **_network()}
        return subprocess.run(
            [*UNSHARE, REGISTER + ENTER, str(self.folder), *command],
            env={**environment, "QEMU_CPU": "cortex-a72", "PROGRAMS": PROGRAMS.format(qemu=shutil.which(QEMU))},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )


@cache
def arm64_root(suite: str) -> Arm64Root:
    """The root of this Debian release, made if it is not there. Skips where it cannot be made or entered."""
    _skip_unless_emulation_works()
    folder = Path(cache_folder(CACHE)) / f"aarch64-host-{suite}"
    if not folder.exists():
        _make(suite, folder)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    _replace_checkout(folder / "bitlens")
    return Arm64Root(folder)


def _skip_unless_emulation_works() -> None:
    for program, package in ((QEMU, "qemu-user-static"), ("mmdebstrap", "mmdebstrap"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install {package}")
    environment = {**os.environ, "PROGRAMS": PROGRAMS.format(qemu=shutil.which(QEMU))}
    done = subprocess.run([*UNSHARE, REGISTER], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"needs binfmt_misc in a user namespace, which Linux {platform.release()} refuses: {why}")


def _make(suite: str, folder: Path) -> None:
    """Made beside its place and renamed into it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.with_name(folder.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    include = [f"--include={packages}" for packages in PACKAGES]
    done = subprocess.run(
        ["mmdebstrap", "--variant=extract", "--architectures=arm64", *include, suite, str(scratch)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no arm64 packages of {suite}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    (scratch / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (scratch / "etc/group").write_text("root:x:0:\n")
    (scratch / "etc/cpuinfo").write_text("".join(CPUINFO.format(number=i) for i in range(os.cpu_count() or 1)))
    shutil.copy(_certificates(), scratch / CERTIFICATES)
    scratch.rename(folder)


def _certificates() -> str:
    """A network may have an authority of its own."""
    return os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or f"/{CERTIFICATES}"


def _network() -> dict[str, str]:
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return {**proxies, "PIP_CERT": f"/{CERTIFICATES}", "SSL_CERT_FILE": f"/{CERTIFICATES}"}


def _replace_checkout(folder: Path) -> None:
    """What `make setup` made there stays; the rest becomes the files of this checkout."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and path.name not in (".venv", ".uv"):
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    copy_checkout(folder)
