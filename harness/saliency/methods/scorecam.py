"""Score-CAM: feature maps weighted by the logit each leaves as a mask (Wang et al. 2019, arXiv:1910.01279)."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.maps import resize, stretch
from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import over_copies, target_values


def scorecam(engine: Any, images: Images, *, layer: str, max_channels: int = 0) -> Array:
    """Map (N, h, w) in the geometry of the layer's features, before the ReLU. Forward passes only, one per channel.

    max_channels  use only these many channels, those that vary most over the map; 0 uses all.
    """
    return np.stack([_scorecam_of_one(engine, images.take([i]), layer, max_channels) for i in range(len(images))])


def _scorecam_of_one(engine: Any, image: Images, layer: str, max_channels: int) -> Array:
    """One image at a time, so that only its own feature maps are held."""
    features: Array = engine.features(image.pixels, layer)[0]  # (h, w, channels)
    channels = np.argsort(-features.std(axis=(0, 1)), kind="stable")[: max_channels or None]
    masks = np.moveaxis(features[..., channels], -1, 0)

    def change(batch: Images, copies: list[int]) -> Array:
        return batch.pixels * stretch(resize(masks[copies], batch.pixels.shape[1:3]))[..., None]

    logits = np.array(
        [
            value
            for _, _, value in over_copies(
                engine, image, len(channels), change=change, measure=lambda batch: target_values(engine, batch, "logit")
            )
        ]
    )
    weights = np.exp(logits - logits.max())
    return np.asarray(np.einsum("chw,c->hw", masks, weights / weights.sum()), np.float32)
