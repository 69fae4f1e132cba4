"""Images on the way from one to another, by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from device.perturbation import pack, perturbed, unpack

START = np.zeros((2, 2, 3), np.uint8)
END = np.full((2, 2, 3), 9, np.uint8)
RANKS = np.array([[0, 2], [3, 1]])


def test_pixels_go_over_in_the_order_of_their_ranks() -> None:
    images = perturbed(START, END, RANKS, [0, 1, 2, 4])
    assert images.dtype == np.uint8
    assert images[..., 0].tolist() == [[[0, 0], [0, 0]], [[9, 0], [0, 0]], [[9, 0], [0, 9]], [[9, 9], [9, 9]]]


def test_one_colour_can_be_the_end() -> None:
    colour = np.array([[[1, 2, 3]]], np.uint8)
    assert perturbed(START, colour, RANKS, [1])[0, 0, 0].tolist() == [1, 2, 3]
    assert perturbed(START, colour, RANKS, [4])[0, 1, 0].tolist() == [1, 2, 3]
    assert perturbed(colour, END, RANKS, [1])[0, 1, 1].tolist() == [1, 2, 3]


@given(st.lists(st.integers(0, 5), min_size=6, max_size=6), st.lists(st.integers(-1, 7), min_size=1, max_size=6))
def test_a_pixel_has_gone_over_where_its_rank_is_below_the_step(order: list[int], steps: list[int]) -> None:
    """In any order of the steps, with pixels that share a rank."""
    rng, ranks = np.random.default_rng(0), np.array(order).reshape(2, 3)
    start, end = rng.integers(0, 256, (2, 2, 3, 3)).astype(np.uint8)
    gone = ranks[None, :, :, None] < np.array(steps).reshape(-1, 1, 1, 1)
    expected = np.where(gone, end, start)
    assert np.array_equal(perturbed(start, end, ranks, steps), expected)
    for_each_channel = np.repeat(ranks[..., None], 3, axis=-1).astype(np.uint8)
    assert np.array_equal(perturbed(start, end, for_each_channel, steps), expected)


def test_packing_keeps_type_and_shape() -> None:
    ranks = np.arange(6, dtype=np.int32).reshape(1, 2, 3)[:, ::-1]
    assert np.array_equal(unpack(pack(ranks)), ranks)
    assert unpack(pack(ranks)).dtype == np.int32


@given(st.permutations(range(4)), st.integers(0, 4))
def test_insertion_is_deletion_of_the_complement(order: list[int], step: int) -> None:
    ranks = np.array(order).reshape(2, 2)
    deleted = perturbed(START, END, ranks, [step])
    inserted = perturbed(END, START, 3 - ranks, [4 - step])
    assert np.array_equal(deleted, inserted)
