"""What an artifact is measured on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.inputs import filled, measurement_inputs, random_tensor, unique
from device.perturbation import pack
from device.runtimes import Tensor


def tensor(name: str, dtype: Any, *shape: int, scale: float = 0.0) -> Tensor:
    return Tensor(name, shape, np.dtype(dtype), scale, 0)


@pytest.mark.parametrize(
    "dtype", [np.float32, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_, np.complex64]
)
def test_random_tensors_exist_for_every_type_of_number(dtype: type) -> None:
    made = random_tensor((2, 3), dtype, seed=0)
    assert made.shape == (2, 3)
    assert made.dtype == dtype
    assert np.array_equal(made, random_tensor((2, 3), dtype, seed=0))
    assert not np.array_equal(random_tensor((99,), dtype, seed=1), random_tensor((99,), dtype, seed=0))


def test_integers_that_may_be_indices_are_0_and_1_and_pixels_are_all_that_there_are() -> None:
    for dtype in (np.int32, np.int64, np.uint32, np.int16):
        assert set(random_tensor((1000,), dtype, seed=0)) == {0, 1}
    for dtype in (np.uint8, np.int8):
        made = random_tensor((10_000,), dtype, seed=0)
        assert (made.min(), made.max()) == (np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert random_tensor((1000,), np.int16, seed=0, scaled=True).min() < -20_000


@given(low=st.integers(-(2**31), 2**31 - 2), width=st.integers(1, 1000))
def test_integers_stay_below_the_upper_bound(low: int, width: int) -> None:
    made = random_tensor((50,), np.int32, seed=0, bounds=(low, min(low + width, 2**31)))
    assert low <= made.min() <= made.max() < low + width


def test_floats_fill_their_range() -> None:
    made = random_tensor((1000,), np.float32, seed=0, bounds=(-3.0, 5.0))
    assert -3 <= made.min() < -2 < 4 < made.max() < 5


def test_an_array_that_was_sent_stays_and_the_others_are_different_in_every_turn() -> None:
    record = {"arrays": {"mask": pack(np.array([[1, 0]], np.int32))}, "ranges": {"ids": [5, 1000]}}
    turns = measurement_inputs([tensor("ids", np.int32, 1, 2), tensor("mask", np.int32, 1, 2)], record, count=3, seed=0)
    assert all(np.array_equal(mask, [[1, 0]]) for _, mask in turns)
    assert len({tuple(ids[0]) for ids, _ in turns}) == 3
    assert min(ids.min() for ids, _ in turns) >= 5


def test_a_text_has_no_random_value() -> None:
    with pytest.raises(
        ValueError, match=r'input "text": random values of the type .* cannot be made; send it an array'
    ):
        measurement_inputs([tensor("text", np.bytes_, 1)], {}, count=1, seed=0)


def test_open_axes_are_filled_and_fixed_ones_stay() -> None:
    assert filled("x", [-1, 8, -1, 3], [1, 9, 16, 3]) == [1, 8, 16, 3]
    assert filled("x", [0, 8], [3, 8]) == [3, 8]  # as converters store a shape without values
    assert filled("x", [4, 8], None) == [4, 8]
    assert filled("x", [], [2, 3]) == [2, 3]
    for wanted in (None, [1, 2]):
        with pytest.raises(ValueError, match=r'input "x" has the open shape \?x8x3, and no size was given for it'):
            filled("x", [-1, 8, 3], wanted)


def test_inputs_without_a_name_of_their_own_go_by_their_place() -> None:
    assert unique(["ids", "", "x", "x"]) == ["ids", "input_1", "input_2", "input_3"]
