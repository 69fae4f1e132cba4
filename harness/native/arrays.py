"""Arrays that TensorFlow takes as they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # bytes; TensorFlow copies an array that starts elsewhere


def aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array of float32, not initialised, whose start suits every vector load."""
    memory = np.empty(4 * math.prod(shape) + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + 4 * math.prod(shape)].view(np.float32).reshape(shape)
