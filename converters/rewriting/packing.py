"""Signs as bits, 32 channels to a word: how LCE's operators hold activations and weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD = 32  # channels


def words(channels: int) -> int:
    return -(-channels // WORD)


def pack(negative: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Booleans (..., C), True for -1, as words (..., words(C)): channel c is bit c % 32 of word c // 32.

    Each row begins a new word; the bits that are left over in its last one are 0, which the kernels rely on.
    """
    channels = negative.shape[-1]
    if channels % WORD:
        padded = np.zeros((*negative.shape[:-1], words(channels) * WORD), bool)
        padded[..., :channels] = negative
        negative = padded
    packed = np.packbits(negative, axis=-1, bitorder="little")
    return packed.view("<i4")


def unpack(packed: NDArray[np.int32], channels: int) -> NDArray[np.bool_]:
    """The inverse of `pack`."""
    octets = np.ascontiguousarray(packed, "<i4").view(np.uint8)
    return np.unpackbits(octets, axis=-1, bitorder="little")[..., :channels].astype(bool)
