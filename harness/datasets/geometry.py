"""The host's half of preprocessing: geometry. Images leave here as uint8 at the model's input size.

The arithmetic that follows (channel order, mean, scale) is the board's half, `device.preprocessing`, which the host
uses too, so that both apply the very same numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import MOST_PIXELS
from harness.errors import ConfigError


def fit_image(image: NDArray[np.uint8], record: dict[str, Any], *, name: str = "image") -> NDArray[np.uint8]:
    """An image (H, W, 3) resized so that its shorter side is `resize`, then cropped at the centre to height x width.

    Bilinear with antialiasing. An image that has the size already comes back as it is. A record of one channel gives
    luminance (height, width, 1). Raises ConfigError, with the image's name, for a strip that would become too long.
    """
    from PIL import Image

    _check_strip(image.shape[:2], record["resize"], name)
    if len(record["mean"]) == 1:
        image = np.asarray(Image.fromarray(image).convert("L"))[..., None]
    resized = _resize(image, record["resize"], Image.Resampling.BILINEAR)
    return _centre_crop(resized, record["height"], record["width"])


def fit_mask(mask: NDArray[np.bool_], record: dict[str, Any]) -> NDArray[np.bool_]:
    """A mask (H, W) through the geometry of its image; a pixel stays in the object when its nearest source was."""
    from PIL import Image

    resized = _resize(mask.astype(np.uint8)[..., None], record["resize"], Image.Resampling.NEAREST)
    return _centre_crop(resized, record["height"], record["width"])[..., 0].astype(bool)


def _resize(image: NDArray[np.uint8], shorter_side: int, resample: Any) -> NDArray[np.uint8]:
    from PIL import Image

    height, width = image.shape[:2]
    factor = shorter_side / min(height, width)
    if factor == 1:
        return image
    pixels = image[..., 0] if image.shape[2] == 1 else image
    size = (max(shorter_side, round(width * factor)), max(shorter_side, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, resample)).reshape(size[1], size[0], -1)


def _check_strip(size: tuple[int, ...], shorter_side: int, name: str) -> None:
    """Enlarging one row of a million pixels to 224 rows would take it 224 times as long."""
    height, width = size
    pixels = shorter_side**2 * max(size) / min(size)
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"{name}: {width}x{height} pixels become {pixels:,.0f} with a shorter side of {shorter_side}, "
            f"expected {MOST_PIXELS:,} at most",
            hint="a copy that is cropped to what the model should see, or a smaller `resize`",
        )


def _centre_crop(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
