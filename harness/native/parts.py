"""One piece of work on several threads, each with its part."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def shared(work: Callable[[int, int], None], count: int, threads: int) -> None:
    """work(first, last) for parts of [0, count), as many as threads."""
    if threads == 1:
        work(0, count)
        return
    bounds = [count * part // threads for part in range(threads + 1)]
    list(_pool(threads).map(work, bounds[:-1], bounds[1:]))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
