"""How many cores there are for this process."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> int:
    """Those that this process may use; fewer where several workers share a machine, as Dask says in this variable."""
    available = available_cores()
    return min(available, int(os.environ.get("OMP_NUM_THREADS") or available))
