"""How many instructions this process has executed, where an emulator counts them.

The plugin of the emulator (harness/devices/setup/instructions.c) keeps a 64-bit counter per thread in a file that it
shares with us; its path comes in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

VARIABLE = "BITLENS_INSTRUCTION_COUNTERS"


def counter() -> Callable[[], int]:
    """A function that gives the number so far, of all threads together. Raises RuntimeError where nobody counts."""
    path = os.environ.get(VARIABLE)
    if not path:
        raise RuntimeError("instructions are counted on an emulated device only")
    file = os.open(path, os.O_RDONLY)
    size = os.fstat(file).st_size
    return lambda: int(np.frombuffer(os.pread(file, size, 0), "<u8").sum())
