"""Bits of signs: LCE's order of bits, and back again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as arrays

from converters.rewriting.packing import pack, unpack, words

SIGNS = arrays.arrays(bool, arrays.array_shapes(min_dims=1, max_dims=4, max_side=70))


def test_first_channel_is_the_lowest_bit_of_the_first_word() -> None:
    negative = np.zeros(70, bool)
    negative[[0, 3, 33, 64]] = True
    assert pack(negative).tolist() == [0b1001, 0b10, 0b1]


def test_channel_31_is_the_sign_bit_of_an_int32() -> None:
    negative = np.arange(32) == 31
    assert pack(negative).tolist() == [-(2**31)]


@given(SIGNS)
def test_unpacked_is_what_was_packed(negative: np.ndarray) -> None:
    packed = pack(negative)
    assert packed.shape == (*negative.shape[:-1], words(negative.shape[-1]))
    np.testing.assert_array_equal(unpack(packed, negative.shape[-1]), negative)


@given(SIGNS)
def test_bits_that_are_left_over_are_zero(negative: np.ndarray) -> None:
    everything = unpack(pack(negative), 32 * words(negative.shape[-1]))
    assert not everything[..., negative.shape[-1] :].any()
