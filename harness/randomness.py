"""Keyed randomness: what is drawn depends on (seed, image key, sample index), never on batch, order or worker."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, image_key: str, sample: int, *, purpose: str) -> np.random.Generator:
    """A generator of its own for every (seed, image, sample, purpose).

    SFC64 is NumPy's fastest; its stream and the float32 ziggurat are the same on every machine.
    """
    # an image may be named by a file whose name is not UTF-8
    text = f"{purpose}\0{seed}\0{image_key}\0{sample}".encode(errors="surrogatepass")
    words = np.frombuffer(hashlib.sha256(text).digest(), np.uint32)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words.tolist())))


def gaussian(shape: tuple[int, ...], *, seed: int, image_key: str, sample: int) -> NDArray[np.float32]:
    """Standard normal float32 noise for one copy of one image."""
    return generator(seed, image_key, sample, purpose="noise").standard_normal(shape, dtype=np.float32)
