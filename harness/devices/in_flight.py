"""Requests full of images, a few on their way while the device computes, compressed while it waits for the link.

A link is slow when answers come later than the device needs for its work. Images then hold differences of neighbouring
pixels and channels, deflated: without loss, about half of the bytes of a photograph. A device that is not waited for
by its link gets pixels as they are, because inflating would take its time.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.perturbation import pack
from harness.devices.transport.session import Asked, Progress, Session

PIECE_BYTES = 2 << 20  # of arrays in one request: little for a board's memory, and much for a round trip
AHEAD = 2  # requests that are on their way or wait there while one is answered
SLOW = 1.1  # seconds from answer to answer for each second of the device's work, above which the link is slow

Packed = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`arguments` makes them when it is their turn, with a function that packs images."""

    arguments: Callable[[Callable[[NDArray[np.uint8]], Packed]], dict[str, Any]]
    on_progress: Progress | None = None


def answers(session: Session, verb: str, requests: Iterable[Request], *, deadline_s: float) -> Iterator[dict[str, Any]]:
    """The answers in the order of the requests; each says in "seconds" how long the device worked.

    deadline_s  for each of them. Raises what Session.answer raises.
    """
    link = _Link(compresses=session.is_remote)
    asked: deque[tuple[Asked, Progress | None]] = deque()
    for request in requests:
        if len(asked) > AHEAD:
            yield link.judged(session.answer(*asked.popleft()))
        number = session.ask(verb, deadline_s=deadline_s, **request.arguments(link.packed))
        asked.append((number, request.on_progress))
    while asked:
        yield link.judged(session.answer(*asked.popleft()))


def pieces(count: int, bytes_of_one: int) -> Iterator[slice]:
    """Of so many things, those of each request; one empty piece when there are none."""
    size = max(1, PIECE_BYTES // max(1, bytes_of_one))
    for first in range(0, max(1, count), size):
        yield slice(first, min(first + size, count))


def compressed(images: NDArray[np.uint8]) -> Packed:
    """Images (N, H, W, C) packed without loss for device.perturbation.unpack; as they are where nothing is saved."""
    differences = images
    for axis in (1, 2, 3):
        differences = np.diff(differences, axis=axis, prepend=np.uint8(0))
    deflate = zlib.compressobj(strategy=zlib.Z_RLE)  # differences repeat themselves in runs alone
    content = deflate.compress(differences.tobytes()) + deflate.flush()
    packed = pack(images)
    return packed if len(content) >= images.nbytes else {**packed, "content": content, "differences": [1, 2, 3]}


def distinct(arrays: Sequence[NDArray[Any]] | NDArray[Any]) -> tuple[NDArray[Any], list[int]]:
    """The different ones of arrays of one shape, stacked, and which of these each one is."""
    seen: dict[bytes, int] = {}
    which = [seen.setdefault(hashlib.blake2b(array.tobytes()).digest(), len(seen)) for array in arrays]
    firsts = [which.index(number) for number in range(len(seen))]
    return np.stack([arrays[first] for first in firsts]) if firsts else np.asarray(arrays), which


def scores_of(answer: dict[str, Any]) -> NDArray[np.float32]:
    scores = answer["scores"]
    return np.frombuffer(scores["content"], np.float32).reshape(scores["shape"])


class _Link:
    """Whether images are compressed: at first on the way to another machine, and after that as its answers come.

    A device that keeps up with a compressed link is tried with pixels as they are, once.
    """

    def __init__(self, *, compresses: bool) -> None:
        self._compresses, self._may_change = compresses, compresses
        self._packing_s = 0.0  # since the last answer, which came at the time _answered
        self._answered: float | None = None

    def packed(self, images: NDArray[np.uint8]) -> Packed:
        began = time.monotonic()
        are_pixels = images.dtype == np.uint8 and images.ndim == 4
        result = compressed(images) if self._compresses and are_pixels else pack(images)
        self._packing_s += time.monotonic() - began
        return result

    def judged(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer. The first says nothing of the link: it came after the device's first inference."""
        now = time.monotonic()
        if self._answered is not None:
            is_slow = now - self._answered - self._packing_s > SLOW * answer["seconds"]
            if self._may_change and is_slow != self._compresses:
                self._may_change = not is_slow
                self._compresses = is_slow
        self._packing_s, self._answered = 0.0, now
        return answer
