"""Requests full of images, a few on their way while the device computes, compressed while it waits for the link.

Compressed images hold differences of neighbouring pixels and channels, deflated: without loss, about half of the bytes
of a photograph. Where the link keeps up, inflating would only take the device's time, so that pixels go as they are.
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
CHANGE = 2 * (AHEAD + 1)  # answers until all that was sent in another way, and the start that it gave, is used up
TRIED = 4  # answers by which a way to send is judged
SLOW = 1.5  # seconds from answer to answer for each of work, above which the link is slow for sure

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
    """Whether images are compressed: on the way to another machine, unless its answers come sooner without.

    Pixels as they are get a try, once, where the device was not waiting for its link.
    """

    def __init__(self, *, compresses: bool) -> None:
        self._compresses, self._is_decided = compresses, not compresses
        self._answered, self._packing_s = 0.0, 0.0  # when the last answer came, and what packing has taken since
        self._of_before = 1  # answers to come that say nothing of how images are sent now; one has a first inference
        self._waits: dict[bool, list[float]] = {True: [], False: []}  # seconds from answer to answer, compressed or not
        self._worked = 0.0  # seconds of them in which the device worked, or this host packed

    def packed(self, images: NDArray[np.uint8]) -> Packed:
        began = time.monotonic()
        are_pixels = images.dtype == np.uint8 and images.ndim == 4
        result = compressed(images) if self._compresses and are_pixels else pack(images)
        self._packing_s += time.monotonic() - began
        return result

    def judged(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, once it is noted when it came."""
        now = time.monotonic()
        waited, packing_s = now - self._answered, self._packing_s
        self._answered, self._packing_s = now, 0.0
        if self._of_before:
            self._of_before -= 1
        elif not self._is_decided:
            self._note(waited, answer["seconds"] + packing_s)
        return answer

    def _note(self, waited: float, worked: float) -> None:
        waits = self._waits[self._compresses]
        waits.append(waited)
        self._worked += worked
        if len(waits) < TRIED:
            return
        if not self._compresses:
            self._compresses, self._is_decided = sum(self._waits[True]) < sum(waits), True
        elif sum(waits) > SLOW * self._worked:
            self._is_decided = True
        else:
            self._compresses, self._of_before = False, CHANGE
