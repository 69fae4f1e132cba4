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
from harness.devices.in_flight import AHEAD, CHANGE, TRIED, Request, answers, compressed, distinct, pieces
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

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *,
        bytes_per_s: float,
        is_remote: bool = True,
        inflating_s: float = 0.0,
    ) -> None:
        self.is_remote, self.bytes_per_s, self.inflating_s, self.most_waiting = is_remote, bytes_per_s, inflating_s, 0
        self.contents: list[int] = []
        self._now = self._sent_at = self._done_at = 0.0
        self._due: list[tuple[float, float]] = []
        monkeypatch.setattr(in_flight.time, "monotonic", lambda: self._now)

    def ask(self, verb: str, *, deadline_s: float, images: dict[str, Any]) -> Asked:
        size = len(images["content"])
        self._sent_at = max(self._sent_at, self._now) + size / self.bytes_per_s
        works_s = 1.0 + self.inflating_s * ("differences" in images)
        self._done_at = max(self._done_at, self._sent_at) + works_s
        self._due.append((self._done_at, works_s))
        self.contents.append(size)
        self.most_waiting = max(self.most_waiting, len(self._due))
        return Asked(verb, len(self.contents), deadline_s)

    def answer(self, asked: Asked, on_progress: Any) -> dict[str, Any]:
        due, works_s = self._due.pop(0)
        self._now = max(self._now, due)
        return {"seconds": works_s, "number": asked.number}

    def pause(self, seconds: float) -> None:
        self._now += seconds


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


def test_a_board_that_its_link_keeps_busy_gets_pixels_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=1e9, inflating_s=0.2)
    list(asked_of(board, count=40))
    compressed_ones = [size < FLAT.nbytes for size in board.contents]
    assert compressed_ones == sorted(compressed_ones, reverse=True)
    assert 1 <= sum(compressed_ones) <= TRIED + AHEAD + 1


@pytest.mark.parametrize("seconds_of_pixels", [1.4, 3.0])
def test_pixels_that_a_link_is_too_slow_for_are_tried_once(
    monkeypatch: pytest.MonkeyPatch, seconds_of_pixels: float
) -> None:
    board = Board(monkeypatch, bytes_per_s=FLAT.nbytes / seconds_of_pixels, inflating_s=0.2)
    list(asked_of(board, count=40))
    were_pixels = [size == FLAT.nbytes for size in board.contents]
    assert sum(were_pixels) == CHANGE + TRIED
    assert not any(were_pixels[-20:])


def test_packing_beside_a_working_board_is_not_taken_for_a_faster_link(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=1e9, inflating_s=0.2)
    pack_slowly(monkeypatch, board, seconds=0.5)
    list(asked_of(board, count=40))
    assert set(board.contents[-20:]) == {FLAT.nbytes}


def pack_slowly(monkeypatch: pytest.MonkeyPatch, board: Any, *, seconds: float) -> None:
    def slowly(images: NDArray[np.uint8]) -> Any:
        board.pause(seconds)
        return compressed(images)

    monkeypatch.setattr(in_flight, "compressed", slowly)


def test_a_hiccup_of_a_fast_link_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, bytes_per_s=1e9, inflating_s=0.2)
    for answer in asked_of(board, count=40):
        if answer["number"] == 20:
            board.pause(30.0)
    assert set(board.contents[-20:]) == {FLAT.nbytes}


def test_nothing_is_compressed_on_the_way_to_another_process_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(monkeypatch, is_remote=False, bytes_per_s=10.0)
    list(asked_of(board))
    assert set(board.contents) == {FLAT.nbytes}
