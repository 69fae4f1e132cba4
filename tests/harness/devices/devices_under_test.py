"""Devices under test: this host, this host over a real sshd, and the emulated boards where they have been set up."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.devices.device import KINDS, Device, make_device

ARTIFACTS = Path(__file__).parents[2] / "device" / "artifacts"
FLOAT = ARTIFACTS / "float.tflite"
IMAGES = np.load(ARTIFACTS / "float.npz")["images"]
RECORD = {"height": 8, "width": 8, "resize": 8, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}
QUICK = {"min_runs": 30, "min_seconds": 0.0, "max_seconds": 20.0, "warmup_max_runs": 50}


@dataclass(frozen=True)
class SshServer:
    """A running sshd of our own; `config` is an ssh client configuration with the host `board`."""

    config: Path
    folder: Path
    pid: int
    port: int


@pytest.fixture(scope="session")
def ssh_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running_ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@contextmanager
def running_ssh_server(folder: Path) -> Iterator[SshServer]:
    """A real sshd on loopback: own keys, own configuration, unprivileged port."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("needs sshd and ssh: apt-get install openssh-server openssh-client")
    for name in ("host_key", "client_key", "wrong_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    shutil.copy(folder / "client_key.pub", folder / "authorized_keys")
    port = free_port()
    (folder / "sshd_config").write_text(_SSHD.format(folder=folder, port=port))
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "config").write_text(_SSH.format(folder=folder, port=port, user=getpass.getuser()))
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([sshd, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    try:
        _wait_for_port(port, server, folder / "log")
        yield SshServer(config=folder / "config", folder=folder, pid=server.pid, port=port)
    finally:
        server.terminate()
        server.wait()


_SSHD = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/pid
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
PermitRootLogin yes
"""
_SSH = """\
Host board
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/client_key
Host board-with-wrong-key
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/wrong_key
Host *
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    pytest.skip(f"sshd did not start: {log.read_text()}")


EXAMPLES: dict[str, Callable[[pytest.FixtureRequest], Device]] = {
    "local": lambda request: make_device({"name": "this-host", "kind": "local"}),
    "ssh": lambda request: ssh_device(request.getfixturevalue("ssh_server")),
    "emulated": lambda request: emulated_device(),
    "vm": lambda request: vm_device(),
}
OF_EVERY_KIND = [pytest.param(name, marks=[pytest.mark.slow] * kind.is_emulated) for name, kind in KINDS.items()]


@pytest.fixture(params=OF_EVERY_KIND)
def device(request: pytest.FixtureRequest) -> Device:
    """One device of each kind; the same tests hold for all."""
    return EXAMPLES[request.param](request)


def ssh_device(server: SshServer, host: str = "board") -> Device:
    row = {"name": "ssh-loopback", "kind": "ssh", "host": host, "config": str(server.config), "python": sys.executable}
    return make_device(row)


def emulated_device() -> Device:
    from harness.devices.emulated import EmulatedDevice, missing_parts

    device = EmulatedDevice(name="cortex-a72", cpu="cortex-a72")
    missing = missing_parts(device)
    if missing:
        pytest.skip(f"needs the emulated board ({', '.join(missing)}): bitlens device setup cortex-a72")
    return device


def vm_device(name: str = "vm-bookworm") -> Device:
    from harness.devices.known import BUILTIN
    from harness.devices.vm import is_whole

    device = make_device(next(row for row in BUILTIN if row["name"] == name))
    if not is_whole(device.machine().folder):
        pytest.skip(f"needs a virtual machine: bitlens device setup {name}")
    return device
