"""Images on their way to a board: the same ones arrive, ahead of the answers, compressed where the link is slow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from device.perturbation import unpack
from harness.devices import in_flight
from harness.devices.in_flight import AHEAD, Request, answers, compressed, distinct, pieces
from harness.devices.transport.session import Asked

FLAT = np.full((2, 64, 64, 3), 200, np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, FLAT.shape, np.uint8)


@given(arrays(np.uint8, array_shapes(min_dims=4, max_dims=4, min_side=0, max_side=6)))
def test_compressed_images_arrive_as_they_were(images: NDArray[np.uint8]) -> None:
    arrived = unpack(compressed(images))
    assert arrived.dtype == np.uint8
    assert np.array_equal(arrived, images)


def test_smooth_images_shrink_and_noise_is_sent_as_it_is() -> None:
    slope = np.broadcast_to(np.arange(64, dtype=np.uint8)[None, :, None, None] * 3, FLAT.shape)
    assert np.array_equal(unpack(compressed(slope)), slope)
    assert len(compressed(slope)["content"]) < slope.nbytes / 50
    assert compressed(NOISE)["content"] == NOISE.tobytes()


@given(st.lists(st.integers(0, 3), max_size=8))
def test_what_is_alike_is_kept_once(values: list[int]) -> None:
    stack = np.array(values, np.uint8).reshape(-1, 1)
    kept, which = distinct(stack)
    assert np.array_equal(kept[which], stack)
    assert len(kept) == len(set(values))


@given(st.integers(0, 50), st.integers(1, 1 << 21))
def test_pieces_hold_everything_once_and_one_is_sent_of_nothing(count: int, size: int) -> None:
    parts = [list(range(count))[piece] for piece in pieces(count, size)]
    assert [number for part in parts for number in part] == list(range(count))
    assert len(parts) >= 1
    assert all(len(part) * size <= in_flight.PIECE_BYTES for part in parts)


class Board:
    """A session whose device works a second on each request, at the end of a link of so many bytes a second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, is_remote: bool = True, bytes_per_s: float) -> None:
        self.is_remote, self.bytes_per_s, self.sent, self.most_waiting = is_remote, bytes_per_s, 0, 0
        self.contents: list[int] = []
        self._now = self._sent_at = self._done_at = 0.0
        self._due: list[float] = []
        monkeypatch.setattr(in_flight.time, "monotonic", lambda: self._now)

    def ask(self, verb: str, *, deadline_s: float, images: dict[str, Any]) -> Asked:
        size = len(images["content"])
        self._sent_at = max(self._sent_at, self._now) + size / self.bytes_per_s
        self._done_at = max(self._done_at, self._sent_at) + 1.0
        self._due.append(self._done_at)
        self.contents.append(size)
        self.most_waiting = max(self.most_waiting, len(self._due))
        return Asked(verb, len(self.contents), deadline_s)

    def answer(self, asked: Asked, on_progress: Any) -> dict[str, Any]:
        self._now = max(self._now, self._due.pop(0))
        return {"seconds": 1.0, "number": asked.number}


def asked_of(board: Any, count: int = 12) -> Iterator[dict[str, Any]]:
    return answers(board, "predict", [Request(arguments=lambda packed: {"images": packed(FLAT)})] * count, deadline_s=1)


def test_answers_come_in_order_and_a_few_requests_are_ahead_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=1e9)
    assert [answer["number"] for answer in asked_of(board)] == list(range(1, 13))
    assert board.most_waiting == AHEAD + 1


def test_a_board_that_waits_for_its_link_gets_compressed_images(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=10.0)
    list(asked_of(board))
    assert max(board.contents) < FLAT.nbytes / 50


def test_a_board_that_its_link_keeps_busy_gets_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=1e9)
    list(asked_of(board))
    assert board.contents[0] < FLAT.nbytes
    assert set(board.contents[AHEAD + 3 :]) == {FLAT.nbytes}


def test_a_link_that_is_too_slow_for_pixels_alone_is_tried_with_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=FLAT.nbytes / 3)
    list(asked_of(board, count=40))
    were_pixels = [size == FLAT.nbytes for size in board.contents]
    assert 1 <= sum(were_pixels) <= 2 * (AHEAD + 2)
    assert not any(were_pixels[-20:])


def test_nothing_is_compressed_on_the_way_to_another_process_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, is_remote=False, bytes_per_s=10.0)
    list(asked_of(board))
    assert set(board.contents) == {FLAT.nbytes}
