"""Images between two others, pixel by pixel in the order of a rank map: what insertion and deletion curves are made of.

Deletion goes from the image to a baseline, insertion from a baseline to the image. The host uses the same function for
the float model, so that both judges see the very same pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def perturbed(start: NDArray[Any], end: NDArray[Any], ranks: NDArray[Any], steps: Sequence[int]) -> NDArray[Any]:
    """One image per step, (len(steps), H, W, C): `end` where a pixel's rank is below the step, `start` elsewhere.

    start, end  (H, W, C) uint8, or (1, 1, C) for one colour.
    ranks       (H, W): 0 for the pixels that go first; or the same for each channel, (H, W, C).
    steps       how many pixels have gone over: 0 gives `start`, H * W gives `end`.
    """
    places = ranks if ranks.ndim == 3 else np.repeat(ranks.astype(np.int32)[..., None], start.shape[-1], axis=-1)
    way = np.broadcast_to(end - start, places.shape)  # modulo 256, as is the sum that goes along it
    images = np.empty((len(steps), *places.shape), np.uint8)
    for image, step in zip(images, steps):
        np.multiply(way, places < step, out=image)
        image += start
    return images


def pack(array: NDArray[Any]) -> dict[str, Any]:
    """An array as the wire carries it."""
    return {"content": np.ascontiguousarray(array).tobytes(), "dtype": array.dtype.str, "shape": list(array.shape)}


def unpack(packed: dict[str, Any]) -> NDArray[Any]:
    """The array again. Along the axes of "differences" it holds those of neighbours, deflated; sums undo them."""
    axes = packed.get("differences", ())
    content = zlib.decompress(packed["content"]) if axes else packed["content"]
    array = np.frombuffer(content, np.dtype(packed["dtype"])).reshape(packed["shape"])
    for axis in axes:
        array = np.cumsum(array, axis, dtype=array.dtype)
    return array
