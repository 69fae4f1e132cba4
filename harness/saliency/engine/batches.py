"""Work by batches: so many items each, so many batches at a time, results in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches:
    """Cuts work into batches of at most `most` items and does `threads` of them at a time."""

    def __init__(self, *, most: int, threads: int) -> None:
        self.most, self.threads = most, threads
        self._inside = threading.local()
        self._pool = ThreadPoolExecutor(threads)  # kept: oneDNN prepares each operation again in a new thread

    @property
    def size(self) -> int | None:
        """How large the batches are that this thread is at work on; the last one has fewer items. None outside."""
        return getattr(self._inside, "size", None)

    def map(self, items: Sequence[Item], work: Callable[[list[Item]], Result]) -> Iterator[tuple[list[Item], Result]]:
        """(chunk, work(chunk)) in order. Inside of `work`, all is one batch, done by the same thread."""
        inside = self.size
        size = inside or self._size_for(len(items))
        chunks = (list(items[i : i + size]) for i in range(0, len(items), size))

        def run(chunk: list[Item]) -> Result:
            outer, self._inside.size = self.size, size
            try:
                return work(chunk)
            finally:
                self._inside.size = outer

        if self.threads == 1 or len(items) <= size or inside:
            yield from ((chunk, run(chunk)) for chunk in chunks)
            return
        waiting: list[tuple[list[Item], Future[Result]]] = []
        try:
            for chunk in chunks:
                waiting.append((chunk, self._pool.submit(run, chunk)))
                if len(waiting) > self.threads:  # bounds what is held, and keeps every thread busy
                    done, future = waiting.pop(0)
                    yield done, future.result()
            yield from ((chunk, future.result()) for chunk, future in waiting)
        finally:
            wait([future for _, future in waiting])  # after an error, too, nothing goes on behind the caller's back

    def _size_for(self, count: int) -> int:
        """A power of two, so that few sizes are compiled, that gives each thread its part of the items."""
        part = -(-count // self.threads)
        return min(self.most, 1 << (part - 1).bit_length())
