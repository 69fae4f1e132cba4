"""Arrays that TensorFlow takes as they are. Their memory is used again: fresh pages are filled with zeros first, which
takes about as long as a convolution takes to write them.
"""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.cpus import cores

ALIGNMENT = 64  # bytes; TensorFlow copies an array that starts elsewhere
MOST_KEPT = 128 * 2**20 * cores()  # bytes that nobody uses; VGG16's gradient has as much for each batch at a time

_kept: list[NDArray[np.uint8]] = []  # what was given back last is at the end, and maybe still in a cache
_returned: deque[NDArray[np.uint8]] = deque()  # on its way there: arrays may die while a thread is at work on the list
_lock = threading.Lock()


def aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array of float32, not initialised, whose start suits every vector load."""
    size = 4 * math.prod(shape)
    memory = _taken(size)
    # What is made of an array refers to the array that refers to no other: so this one, thanks to the memoryview.
    whole = np.frombuffer(memoryview(memory), np.float32, size // 4)
    weakref.finalize(whole, _give_back, memory).atexit = False
    return whole.reshape(shape)


def _taken(size: int) -> Any:
    """Kept memory that is large enough, and not much too large, or some of this size."""
    with _lock:
        _sort_in()
        fitting = [at for at, memory in enumerate(_kept) if size <= len(memory) <= 2 * size]
        if fitting:
            return _kept.pop(min(fitting, key=lambda at: (len(_kept[at]), -at)))
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


def _give_back(memory: NDArray[np.uint8]) -> None:
    """Called wherever Python collects an array, so it waits for nobody."""
    _returned.append(memory)
    if _lock.acquire(blocking=False):
        try:
            _sort_in()
        finally:
            _lock.release()


def _sort_in() -> None:
    while _returned:
        _kept.append(_returned.popleft())
    while sum(map(len, _kept)) > MOST_KEPT:
        _kept.pop(0)
