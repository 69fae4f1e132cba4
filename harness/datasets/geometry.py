"""The host's half of preprocessing: geometry. Images leave here as uint8 at the model's input size.

The arithmetic that follows (channel order, mean, scale) is the board's half, `device.preprocessing`, which the host
uses too, so that both apply the very same numbers.

A record says `height`, `width`, `mean` (one number for each channel) and how a picture gets there:
  fit            "crop" (where it says none) scales until the picture just covers the input, or until its shorter side
                 is `resize`, and cuts the centre; "squash" scales each side by itself; "pad" scales until the picture
                 just fits in, and fills the rest with `pad_colour`.
  interpolation  "bilinear" (where it says none), "nearest", "bicubic", "area" or "lanczos": Pillow's, which take all
                 pixels of the source into account where a picture is made smaller (antialiasing), but for nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import MOST_PIXELS
from harness.errors import ConfigError

GEOMETRY = ("height", "width", "resize", "fit", "pad_colour", "interpolation")  # a record's keys that decide here

_RESAMPLING = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
    "lanczos": "LANCZOS",
}
_LUMINANCE = 1  # channels of a model that sees colours as greys


def geometry_of(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record decides how pictures look before the arithmetic, with the number of channels."""
    return {**{name: record[name] for name in GEOMETRY if name in record}, "channels": len(record["mean"])}


def fit_image(image: NDArray[np.uint8], record: dict[str, Any], *, name: str = "image") -> NDArray[np.uint8]:
    """An image (H, W, C) of uint8 at the size (height, width, channels) of the record.

    An image that has the size already comes back as it is. Colour becomes luminance for a record of one channel, and
    grey is repeated for one of three. Raises ConfigError, with the image's name, for other channels than the record's,
    for a strip that would become too long, and for one that does not cover the input.
    """
    size = _scaled(image.shape[:2], record, name)
    image = _with_channels(image, len(record["mean"]), name)
    resized = _resize(image, size, record.get("interpolation", "bilinear"))
    return _placed(resized, record, np.asarray(record.get("pad_colour", [0]), np.uint8))


def fit_mask(mask: NDArray[np.bool_], record: dict[str, Any]) -> NDArray[np.bool_]:
    """A mask (H, W) through the geometry of its image; a pixel stays in the object when its nearest source was."""
    resized = _resize(mask.astype(np.uint8)[..., None], _scaled(mask.shape, record, "mask"), "nearest")
    return _placed(resized, record, np.zeros(1, np.uint8))[..., 0].astype(bool)


def check_channels(image: NDArray[np.uint8], channels: int, name: str) -> None:
    """Raises ConfigError for an image whose channels are not those of a model and cannot become them."""
    here = image.shape[2]
    if here != channels and (here, channels) not in ((3, _LUMINANCE), (1, 3)):
        raise ConfigError(
            f"{name}: expected {channels} channel{'s' * (channels > 1)}, as the model takes, got {here}",
            hint="images with as many channels as the model has: an .npz holds any number of them",
        )


def _scaled(size: tuple[int, ...], record: dict[str, Any], name: str) -> tuple[int, int]:
    """The size (height, width) that a picture is scaled to before it is cut or padded."""
    height, width = record["height"], record["width"]
    fit, shorter_side = record.get("fit", "crop"), record["resize"]
    factors = height / size[0], width / size[1]
    if fit == "squash":
        scaled = (height, width)
    elif fit == "pad":
        scaled = _at_most((height, width), size, min(factors))
    elif shorter_side is None:
        scaled = _at_least((height, width), size, max(factors))
    else:
        scaled = _at_least((shorter_side, shorter_side), size, shorter_side / min(size))
    _check_strip(size, scaled, name)
    if fit == "crop" and (scaled[0] < height or scaled[1] < width):
        raise ConfigError(
            f"{name}: {size[1]}x{size[0]} pixels become {scaled[1]}x{scaled[0]} with a shorter side of {shorter_side}, "
            f"of which {width}x{height} cannot be cut",
            hint="no `resize`: pictures then just cover the input",
        )
    return scaled


def _at_least(least: tuple[int, int], size: tuple[int, ...], factor: float) -> tuple[int, int]:
    return max(least[0], round(size[0] * factor)), max(least[1], round(size[1] * factor))


def _at_most(most: tuple[int, int], size: tuple[int, ...], factor: float) -> tuple[int, int]:
    return min(most[0], max(1, round(size[0] * factor))), min(most[1], max(1, round(size[1] * factor)))


def _with_channels(image: NDArray[np.uint8], channels: int, name: str) -> NDArray[np.uint8]:
    from PIL import Image

    check_channels(image, channels, name)
    if image.shape[2] == channels:
        return image
    if channels == _LUMINANCE:
        return np.asarray(Image.fromarray(image).convert("L"))[..., None]
    return np.repeat(image, channels, axis=2)


def _resize(image: NDArray[np.uint8], size: tuple[int, int], interpolation: str) -> NDArray[np.uint8]:
    """(H, W, C) at another size. Beyond colours each channel is by itself: to Pillow a fourth is alpha."""
    from PIL import Image

    if image.shape[:2] == size:
        return image
    resample = getattr(Image.Resampling, _RESAMPLING[interpolation])
    bands = [image] if image.shape[2] == 3 else [image[..., band] for band in range(image.shape[2])]
    resized = [np.asarray(Image.fromarray(np.ascontiguousarray(band)).resize(size[::-1], resample)) for band in bands]
    return np.concatenate([band.reshape(*size, -1) for band in resized], axis=2)


def _check_strip(size: tuple[int, ...], scaled: tuple[int, int], name: str) -> None:
    """Enlarging one row of a million pixels to 224 rows would take it 224 times as long."""
    pixels = scaled[0] * scaled[1]
    if pixels > MOST_PIXELS:
        raise ConfigError(
            f"{name}: {size[1]}x{size[0]} pixels become {pixels:,} with a shorter side of {min(scaled)}, "
            f"expected {MOST_PIXELS:,} at most",
            hint="a copy that is cropped to what the model should see, or a smaller `resize`",
        )


def _placed(image: NDArray[np.uint8], record: dict[str, Any], colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut at the centre to height x width, or laid there on the colour where it is smaller."""
    height, width = record["height"], record["width"]
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    if top >= 0 and left >= 0:
        return np.ascontiguousarray(image[top : top + height, left : left + width])
    page = np.empty((height, width, image.shape[2]), np.uint8)
    page[:] = colour
    top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
    page[top : top + image.shape[0], left : left + image.shape[1]] = image
    return page
