"""Switching a virtual machine on and off, whoever else does the same, and whatever a crash has left behind.

A board has a folder: its disk, its consoles, and how it was started last. Whether it runs is asked of the processes
that there are, never of a file; who switches it holds the folder's lock, which the kernel lets go of with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device import files
from device.text import printable
from harness.errors import DeviceError
from harness.saying import say

QEMU = "qemu-system-aarch64"
BOOT_SECONDS = 400.0  # 25 on an idle machine; a busy one may take ten times as long
OFF_SECONDS = 90.0
KERNEL_SECONDS = 30.0
TELL_SECONDS = 20.0
LOOK_SECONDS = 1.0
_PORTS_TRIED = 3  # another process may take a port that was free, before qemu has it
_NICENESS = "10"  # what is measured on this machine goes first
_LAST_LINES = 5
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`folder` holds kernel, initrd and disk.img."""

    name: str
    folder: Path
    cpu: str
    ram_mib: int

    @property
    def console(self) -> Path:
        """What its kernel and its services have written since it was switched on; the one before lies beside it."""
        return self.folder / "console.log"

    def pid(self) -> int | None:
        """The process of the qemu that has its disk, if there is one."""
        drive = os.fsencode(self._drive())
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # one that has just ended
                if drive in (process / "cmdline").read_bytes().split(b"\0"):
                    return int(process.name)
        return None

    def port(self) -> int | None:
        """Where this machine reaches its sshd, if it is running."""
        port = self._started().get("port")
        return port if self.pid() is not None and isinstance(port, int) else None

    def switch_on(self, *, say: Say = say) -> int:
        """Boot it unless it is running; the port of its sshd, which has answered. Raises DeviceError."""
        with self._alone(say):
            if self.pid() is None:
                self._start()
                say(f"{self.name}: booting (console: {self.console})")
            started = self._started()
            self._refuse_another_form(started)
            if not started.get("answered"):
                seconds = self._await_sshd(int(started["port"]), say)
                files.write_whole(str(self.folder / "started.json"), json.dumps({**started, "answered": True}).encode())
                say(f"{self.name}: up after {seconds:.0f} s")
            return int(started["port"])

    def _refuse_another_form(self, started: dict[str, Any]) -> None:
        there, wanted = (started.get("cpu"), started.get("ram_mib")), (self.cpu, self.ram_mib)
        if there != wanted:
            form = f"{there[0]} with {there[1]} MiB, and its row says {wanted[0]} with {wanted[1]} MiB"
            raise DeviceError(f'device "{self.name}": runs as {form}', hint=f"bitlens device stop {self.name}")

    def switch_off(self, ask: Callable[[], bool], *, say: Say = say) -> bool:
        """Off in good order, by force where `ask` is not heard or nothing comes of it; whether it was on."""
        with self._alone(say):
            pid = self.pid()
            if pid is None:
                return False
            if not ask() or not _ended(pid, OFF_SECONDS):
                say(f"{self.name}: does not shut down; cutting its power")
                self._kill(pid)
            return True

    def cut_power(self) -> None:
        """Off this moment: what was not on its disk is lost."""
        pid = self.pid()
        if pid is not None:
            self._kill(pid)

    def _kill(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        _ended(pid, OFF_SECONDS)

    def _start(self) -> None:
        for _ in range(_PORTS_TRIED):
            port = _free_port()
            note = {"port": port, "ram_mib": self.ram_mib, "cpu": self.cpu}
            files.write_whole(str(self.folder / "started.json"), json.dumps(note).encode())
            problem = self._spawn(port)
            if not problem:
                return
            if "forwarding" not in problem:
                break
        raise DeviceError(f'device "{self.name}": {QEMU} did not start: {problem}')

    def _spawn(self, port: int) -> str:
        """Why qemu did not start; empty where it did."""
        log = self.folder / "qemu.log"
        if self.console.exists() and self.console.stat().st_size:
            self.console.replace(self.folder / "console-before.log")
        self.console.write_bytes(b"")
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["nice", "-n", _NICENESS, QEMU, *self._options(port)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # it goes on when this process ends
            )
        until = time.monotonic() + KERNEL_SECONDS
        while process.poll() is None:
            if self.console.stat().st_size or time.monotonic() > until:  # its kernel has begun
                return ""
            time.sleep(0.05)
        lines = printable(log.read_text(errors="replace")).strip().splitlines()
        return lines[-1] if lines else f"exit status {process.returncode}"

    def _options(self, port: int) -> tuple[str, ...]:
        """The disk's writes go to this machine's page cache: qemu's end is to the board what a power cut is."""
        identity = uuid.uuid5(uuid.NAMESPACE_URL, str(self.folder)).hex  # as each board has its own
        return (
            *("-machine", "virt", "-accel", "tcg", "-cpu", self.cpu, "-smp", "1", "-m", str(self.ram_mib)),
            *("-kernel", str(self.folder / "kernel"), "-initrd", str(self.folder / "initrd")),
            *("-append", f"console=ttyAMA0 net.ifnames=0 systemd.getty_auto=no systemd.machine_id={identity}"),
            *("-drive", self._drive()),
            *("-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
            *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
            *("-display", "none", "-monitor", "none", "-serial", f"file:{_quoted(self.console)}"),
        )

    def _drive(self) -> str:
        return f"file={_quoted(self.folder / 'disk.img')},format=raw,if=virtio,cache=writeback"

    def _started(self) -> dict[str, Any]:
        """How it was started last."""
        try:
            note = json.loads((self.folder / "started.json").read_text())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _await_sshd(self, port: int, say: Say) -> float:
        """Seconds until sshd has greeted. Raises DeviceError with what the console says last."""
        began = told = time.monotonic()
        while not _greets(port):
            now = time.monotonic()
            pid = self.pid()
            if pid is None or now - began > BOOT_SECONDS:
                why = "its qemu ended" if pid is None else f"no answer from its sshd within {BOOT_SECONDS:.0f} s"
                raise DeviceError(
                    f'device "{self.name}": did not boot: {why}; its console ends with:\n{self._last_words()}',
                    hint=f"less {self.console}; bitlens device stop {self.name}",
                )
            if now - told > TELL_SECONDS:
                told = now
                say(f"{self.name}: still booting after {now - began:.0f} s")
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - began

    def _last_words(self) -> str:
        try:
            text = printable(self.console.read_text(errors="replace"))
        except OSError:
            text = ""
        lines = [line for line in text.splitlines() if line.strip()][-_LAST_LINES:]
        return "\n".join(f"    {line[:160]}" for line in lines) or "    nothing"

    @contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        with locked(self.folder, lambda: say(f"{self.name}: another bitlens is switching it; waiting")):
            yield


@contextmanager
def locked(folder: Path, on_wait: Callable[[], object]) -> Iterator[None]:
    """The folder's lock, which ends with this process at the latest."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    """A path within one of qemu's options, where a comma begins the next one."""
    return str(path).replace(",", ",,")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _greets(port: int) -> bool:
    """qemu accepts a connection at once, whether anybody listens on the board or not."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _ended(pid: int, seconds: float) -> bool:
    """Whether the process has ended, after so many seconds at most."""
    until = time.monotonic() + seconds
    while _is_running(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _is_running(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # one of ours would stay until it is asked for
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
