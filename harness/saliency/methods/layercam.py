"""LayerCAM: every feature weighted by its own positive gradient (Jiang et al. 2021, doi:10.1109/TIP.2021.3089943)."""

from __future__ import annotations

import numpy as np

from harness.saliency.attribution import Array, Backward


def layercam(backward: Backward, *, layer: str) -> Array:
    """Map (N, h, w) in the geometry of the layer's features, before the ReLU; works for early layers too."""
    weighted = np.maximum(backward.gradients[layer], 0) * backward.features[layer]
    return np.asarray(weighted.sum(axis=-1), np.float32)
