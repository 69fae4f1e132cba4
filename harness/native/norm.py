"""Batch norms at inference, as the library computes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
CHANNELS = 16  # and multiples of them; oneDNN computes batch norms of others in another order


class Norm(NamedTuple):
    """By channels: (values - mean) * inverse * scale + shift."""

    mean: Array
    inverse: Array  # of the standard deviation
    scale: Array
    shift: Array


def maps_of(norm: Norm | None) -> dict[str, Array | None]:
    """As the library is given a norm, if there is one."""
    return norm._asdict() if norm else dict.fromkeys(Norm._fields)
