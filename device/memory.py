"""How much memory a job may ask for. The kernel keeps this limit, so a hostile artifact costs its own job alone.

What counts is private writable memory (RLIMIT_DATA), which is what a runaway allocation takes. The address space would
also count mapped files and the empty arenas that glibc reserves for each thread, which cost nothing.
"""

from __future__ import annotations

import resource
from pathlib import Path

from .telemetry import ROOT, memory_bytes, read_text

LEAST_BYTES = 512 << 20  # NumPy, a runtime and their threads ask for a third of it before they have done anything
LEAST_RESERVE_BYTES = 64 << 20
_CGROUP = "sys/fs/cgroup"


class OutOfMemory(MemoryError):
    """A job that asked for more than its limit; the message says how much that is, and where to raise it."""


def limit(memory_mib: int | None) -> int | None:
    """Set the limit of this process for good: so many MiB, or by default what the machine has to spare.

    Returns what holds from now on, in bytes; None where nothing limits it, as on systems without such a limit. Under
    user-mode qemu the guest's wish is ignored, and the limit that the emulator was started with holds.
    """
    wanted = memory_mib << 20 if memory_mib else default_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if wanted is not None:
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))
    holds, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return None if holds == resource.RLIM_INFINITY else holds


def default_bytes(root: Path = ROOT) -> int | None:
    """What is available, less a sixteenth of the machine for the others; what this process has already comes on top."""
    available, total = memory_bytes(root, "MemAvailable"), memory_bytes(root, "MemTotal")
    if available is None or total is None:
        return None
    spare = min(available, _left_in_cgroup(root)) - max(total // 16, LEAST_RESERVE_BYTES)
    return max(LEAST_BYTES, (memory_bytes(root, "VmData", of="proc/self/status") or 0) + spare)


def exceeded(error: MemoryError, limit_bytes: int | None) -> OutOfMemory:
    """The reason that is shown for a MemoryError; what the error says itself is kept."""
    words = f" ({error})" if str(error) else ""
    if limit_bytes is None:
        return OutOfMemory(f"needed more memory than it may have{words}; memory_mib in the device's row sets a limit")
    return OutOfMemory(
        f"needed more than the {limit_bytes >> 20} MiB that a job may have here{words}; "
        f"memory_mib in the device's row sets another limit"
    )


def _left_in_cgroup(root: Path) -> int:
    most, used = (read_text(root / _CGROUP / name) for name in ("memory.max", "memory.current"))
    return int(most) - int(used) if most and used and most.isdigit() and used.isdigit() else 1 << 62
