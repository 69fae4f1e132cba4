"""What an image of any number of channels looks like: three colours for an eye.

One channel is grey and three are red, green and blue. Two are shown as red and green, and of
more than three the first three.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def as_colours(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, C) as (H, W, 3)."""
    channels = image.shape[2]
    if channels == 1:
        return np.repeat(image, 3, axis=2)
    if channels == 2:
        return np.concatenate([image, np.zeros_like(image[..., :1])], axis=2)
    return image[..., :3]
