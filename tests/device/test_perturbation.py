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
