"""Small pictures for a page: colour images, and saliency maps in grey that the page colours, both WebP.

Shown are the maps that scores are computed from. For the eye alone, a map is reduced to a thumbnail where it is larger,
divided by its scale (the 99th percentile of its absolute values, so that one pixel does not darken the rest) and stored
in 8 bits. The page turns grey into colour and can show all maps of one model and method on one scale.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reports.drawing.channels import as_colours

LONGEST_SIDE = 96  # pixels of a thumbnail: larger images are reduced, smaller ones keep their size
CLIPPED_PERCENTILE = 99
STEPS = (
    "channels reduced as for the scores: to their signed sum or their largest absolute value, as the method has it "
    "(maps without channels keep their sign)",
    "bilinear enlargement to the image's size, with half-pixel centres",
    f"division by the {CLIPPED_PERCENTILE}th percentile of the absolute values, clipped at 1",
)

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPicture:
    """One displayed map: `source` is a data URI of grey values, `scale` what full colour stands for."""

    source: str
    scale: float
    signed: bool


def image_source(image: NDArray[np.uint8]) -> str:
    """A data URI of one image (H, W, C) uint8, at most LONGEST_SIDE pixels wide and high."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else as_colours(image))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    return _data_uri(picture, "WEBP", quality=80)


def map_picture(saliency_map: Array) -> MapPicture:
    """One map (H, W) as grey values at thumbnail size."""
    finite = np.nan_to_num(saliency_map, nan=0.0, posinf=0.0, neginf=0.0)
    signed = bool((finite < 0).any())
    height, width = _thumbnail_size(finite.shape)
    shown = np.asarray(Image.fromarray(finite).resize((width, height), Image.Resampling.BILINEAR))
    scale = float(np.percentile(np.abs(shown), CLIPPED_PERCENTILE)) or float(np.abs(shown).max())
    relative = np.clip(shown / scale, -1.0, 1.0) if scale > 0 else shown
    grey = np.round((relative + 1.0) * 127.5 if signed else relative * 255.0).astype(np.uint8)
    return MapPicture(source=_data_uri(Image.fromarray(grey), "WEBP", quality=75), scale=scale, signed=signed)


def _thumbnail_size(size: tuple[int, ...]) -> tuple[int, int]:
    shrink = min(1.0, LONGEST_SIDE / max(size))
    return round(size[0] * shrink), round(size[1] * shrink)


def _data_uri(picture: Image.Image, kind: str, *, quality: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, quality=quality, method=2)  # a third of the time of 4 for a few percent of size
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
