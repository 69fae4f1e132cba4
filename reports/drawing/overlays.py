"""One picture of one explanation: the image as the model saw it, the map, and the map over the image.

Colours and scale are those of the report's grids: `thumbnails` says what is done to a map before it is shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.drawing.channels import as_colours
from reports.drawing.colours import DIVERGING, SEQUENTIAL
from reports.drawing.thumbnails import CLIPPED_PERCENTILE

PANEL = 224  # pixels: smaller images are enlarged by a whole number, each pixel a square, to about this
GAP = 8
STRONGEST = 0.8  # opacity over the image where the map is strongest; nothing where it is zero

Array = NDArray[np.float32]


def overlay_picture(image: NDArray[np.uint8], saliency_map: Array) -> Image.Image:
    """Three panels side by side: image (H, W, C), map (H, W), and both."""
    relative = _relative(np.nan_to_num(saliency_map, nan=0.0, posinf=0.0, neginf=0.0))
    colours = _coloured(relative, signed=bool((relative < 0).any()))
    photo = as_colours(image).astype(np.float32)
    grey = photo.mean(axis=-1, keepdims=True)
    opacity = STRONGEST * np.abs(relative)[..., None]
    return _side_by_side([photo, colours, grey * (1 - opacity) + colours * opacity])


def _relative(values: Array) -> Array:
    """-1 … 1: divided by the percentile of the absolute values that full colour stands for."""
    magnitudes = np.abs(values)
    scale = float(np.percentile(magnitudes, CLIPPED_PERCENTILE)) or float(magnitudes.max())
    return np.asarray(np.clip(values / scale, -1, 1) if scale > 0 else values, np.float32)


def _coloured(relative: Array, *, signed: bool) -> Array:
    from matplotlib import colormaps  # half a second

    name, position = (DIVERGING, (relative + 1) / 2) if signed else (SEQUENTIAL, relative)
    return np.asarray(255 * colormaps[name](position)[..., :3], np.float32)


def _side_by_side(panels: list[Array]) -> Image.Image:
    height, width = panels[0].shape[:2]
    factor = max(1, round(PANEL / max(height, width)))
    height, width = factor * height, factor * width
    page = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height), "white")
    for place, panel in enumerate(panels):
        tile = Image.fromarray(np.round(panel).astype(np.uint8))
        page.paste(tile.resize((width, height), Image.Resampling.NEAREST), (place * (width + GAP), 0))
    return page
