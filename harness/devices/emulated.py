"""An aarch64 board under user-mode qemu: the same agent, and instructions instead of time.

`bitlens device setup` builds it (emulated_root.py). Nothing here needs root, and nothing is registered with the kernel.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device import files, memory
from harness.devices.transport.bootstrap import CACHE, cache_folder, open_session
from harness.devices.transport.pipe import PYTHON_ARGUMENTS, Connection
from harness.devices.transport.session import Session
from harness.errors import DeviceError

QEMU = "qemu-aarch64"
EMULATOR_BYTES = 1 << 30  # of addresses for itself: it has half of that before the board's Python has done anything


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedDevice:
    """`cpu` is one of qemu's names (`qemu-aarch64 -cpu help`)."""

    name: str
    cpu: str = "cortex-a72"
    kind: str = field(default="emulated", init=False)
    cache: str = CACHE
    memory_mib: int | None = None

    @contextmanager
    def open(self) -> Iterator[Session]:
        missing = missing_parts(self)
        if missing:
            problem = f'device "{self.name}": the emulated board lacks {", ".join(missing)}'
            raise DeviceError(problem, hint=f"bitlens device setup {self.name}")
        with tempfile.NamedTemporaryFile(prefix="bitlens-instructions-") as counters:
            connection = self.connection(counters=Path(counters.name))
            home = str(own_board_folder(self.cache) / "home")
            with open_session(connection, cache=home, adopt=True) as session:  # within what is ours
                session.memory_limit_bytes = self._memory_bytes()
                yield session

    def _memory_bytes(self) -> int | None:
        return self.memory_mib << 20 if self.memory_mib else memory.default_bytes()

    def connection(self, *, counters: Path) -> Connection:
        folder = board_folder(self.cache)
        command = (
            *_limited(self._memory_bytes()),
            QEMU,
            *("-cpu", self.cpu, "-L", str(folder / "root")),
            *("-plugin", f"{folder / 'instructions.so'},counters={counters}"),
            *("-E", f"PYTHONPATH={folder / 'site'}", "-E", f"BITLENS_INSTRUCTION_COUNTERS={counters}"),
            str(folder / "root/usr/bin/python3.11"),
            "-S",  # this host's site-packages are for another processor
            *PYTHON_ARGUMENTS,
        )
        return Connection(
            device=self.name,
            command=command,
            address=f"{QEMU} -cpu {self.cpu}",
            hint=f"bitlens device setup {self.name}",
            connect_s=300.0,
        )


def board_folder(cache: str) -> Path:
    """Where the emulated board's files are. All emulated processors share one board."""
    return Path(cache_folder(cache)) / "aarch64-bookworm"


def own_board_folder(cache: str) -> Path:
    """The same, once the cache is known to be ours; made where it is missing. Raises DeviceError."""
    try:
        claimed = Path(files.claim_cache(cache_folder(cache), adopt=cache == CACHE))
        return Path(files.private_folder(str(claimed / board_folder(cache).name)))
    except OSError as error:
        raise DeviceError(f"the emulated board's folder: {error}") from error


def _limited(limit: int | None) -> tuple[str, ...]:
    """What a command begins with to have this limit: the emulator ignores what the board's agent asks of it.

    It is one of address space: qemu 7.2 reserves addresses first, and spins for ever when it may not fill them then.
    A lower limit that this host's shell has already stays.
    """
    return ("sh", "-c", 'ulimit -v "$0" 2>/dev/null; exec "$@"', str((limit + EMULATOR_BYTES) >> 10)) if limit else ()


def missing_parts(device: EmulatedDevice) -> list[str]:
    """What is not there yet, in words."""
    folder = board_folder(device.cache)
    parts = {
        QEMU: shutil.which(QEMU) is not None,
        "the arm64 root": (folder / "root/usr/bin/python3.11").exists(),
        "the ARM proc/cpuinfo": (folder / "root/proc/cpuinfo").exists(),
        "the aarch64 wheels": (folder / "site/numpy").is_dir(),
        "the counting plugin": (folder / "instructions.so").exists(),
    }
    return [name for name, present in parts.items() if not present]
