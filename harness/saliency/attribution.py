"""What a method returns: raw signed attributions, and what a reader must know about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.maps import saliency_map
from harness.saliency.precision import FLOAT32

Array = NDArray[np.float32]
Predict = Callable[[], NDArray[np.int64]]  # the class of each image with the greatest logit


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Attributions of N images by one method, not normalised and without absolute values.

    values           float32; (N, H, W, C) in input geometry, or (N, h, w), of a feature map or of the input.
    channels         the method's way to reduce channels, see `maps.CHANNELS`; "" if it gives (N, h, w).
    layer            the layer that a class activation map was taken from, else None.
    pseudo_gradient  True if a gradient went through a quantizer: it is then the straight-through estimate of one.
    blank            (N,) True where the map is the same everywhere, so that it shows nothing.
    causes           (N,) why it is blank, one of `blank.CAUSES`; "" where it is not.
    predict          gives `predicted`. Where a method was told its targets, that takes a pass when it is first asked.
    notes            sentences for the reader, such as the cause of a blank map.
    precision        of the products of convolutions.
    """

    values: Array
    channels: str
    layer: str | None
    pseudo_gradient: bool
    blank: NDArray[np.bool_]
    causes: tuple[str, ...]
    predict: Predict
    notes: tuple[str, ...]
    precision: str = FLOAT32

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the class with the greatest logit."""
        return self.predict()

    def maps(self, size: tuple[int, ...]) -> Array:
        """Maps (N, H, W) of this size (H, W): what is scored and shown."""
        return saliency_map(self.values, size, channels=self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The images that a method explains, each with the class it asks about and the key of its randomness."""

    pixels: Array  # (N, H, W, C), preprocessed
    targets: NDArray[np.int64]  # (N,)
    keys: tuple[str, ...]
    seed: int = 0

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: Any) -> Images:
        """The images of these indices, in this order, repeats allowed."""
        return Images(
            pixels=self.pixels[indices],
            targets=self.targets[indices],
            keys=tuple(self.keys[i] for i in indices),
            seed=self.seed,
        )

    def replace(self, pixels: Array) -> Images:
        return Images(pixels=pixels, targets=self.targets, keys=self.keys, seed=self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backward:
    """What one forward and one backward pass over a batch give; parts that were not asked for are empty."""

    images: Array  # (N, H, W, C)
    logits: Array  # (N, classes)
    targets: NDArray[np.int64]  # (N,)
    input_gradient: Array  # d target logit / d input, (N, H, W, C)
    features: dict[str, Array]  # layer -> (N, h, w, channels)
    gradients: dict[str, Array]  # layer -> d target logit / d features
