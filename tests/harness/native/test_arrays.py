"""Memory that is used again: never while anybody can still read it, and no more of it is kept than is said."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest

from harness.native import arrays
from harness.native.arrays import ALIGNMENT, aligned


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    gc.collect()
    monkeypatch.setattr(arrays, "_kept", [])
    yield
    gc.collect()


def start(array: np.ndarray) -> int:
    return array.ctypes.data


@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 11, 13)])
def test_an_array_has_its_shape_and_starts_where_vectors_can_be_read(shape: tuple[int, ...]) -> None:
    array = aligned(shape)
    assert (array.shape, array.dtype, start(array) % ALIGNMENT) == (shape, np.float32, 0)
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_memory_is_used_again_once_nobody_has_it() -> None:
    array = aligned((1000,))
    first = start(array)
    del array
    again = aligned((20, 40))
    assert start(again) == first


@pytest.mark.parametrize("view", ["a part", "turned", "memory"])
def test_memory_is_not_used_again_while_a_view_of_it_lives(view: str) -> None:
    array = aligned((20, 50))
    array[...] = 7
    kept = {"a part": array[5:9, 0], "turned": array.T[3:][:, 1], "memory": memoryview(array)}[view]
    del array
    other = aligned((20, 50))
    other[...] = 3
    assert (np.asarray(kept) == 7).all()


def test_memory_much_larger_than_what_is_asked_for_stays_for_others() -> None:
    large = aligned((1000,))
    first = start(large)
    del large
    small = aligned((499,))
    assert start(small) != first
    assert start(aligned((1000,))) == first


def test_memory_of_an_array_that_dies_while_the_list_is_changed_is_used_again_later() -> None:
    array = aligned((1000,))
    first = start(array)
    with arrays._lock:
        del array
    assert arrays._kept == []
    assert start(aligned((1000,))) == first


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "MOST_KEPT", 10_000)
    held = [aligned((1000,)) for _ in range(5)]
    held.clear()
    assert sum(map(len, arrays._kept)) == 8000


def test_tensorflow_reads_an_array_without_a_copy() -> None:
    import tensorflow as tf

    seen = []

    def make() -> np.ndarray:
        seen.append(start(array := aligned((64, 64))))
        return array

    def look(values: np.ndarray) -> np.float32:
        seen.append(start(values))
        return values[0, 0]

    tf.function(lambda: tf.numpy_function(look, [tf.numpy_function(make, [], tf.float32)], tf.float32))()
    assert seen[0] == seen[1]
