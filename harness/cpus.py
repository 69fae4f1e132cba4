"""How many cores there are for this process, and what they can multiply."""

from __future__ import annotations

import os
from pathlib import Path

BFLOAT16 = {"avx512_bf16", "amx_bf16"}  # what Linux calls the instructions, on x86-64


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> int:
    """Those that this process may use; fewer where several workers share a machine, as Dask says in this variable."""
    available = available_cores()
    return min(available, int(os.environ.get("OMP_NUM_THREADS") or available))


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for products of bfloat16, as far as Linux says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not BFLOAT16.isdisjoint(flags.split())
