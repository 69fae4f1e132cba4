"""What replaces pixels that are taken away. Always uint8: what a board would see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.quality.inputs import Images, MetricInputs

BLUR_SIGMA = 0.1  # of the shorter side: wide enough to hide the object, and no foreign colour is brought in


def baseline_images(evidence: MetricInputs, name: str) -> Images:
    """(N, H, W, C) of an evidence whose baseline is known."""
    return _BASELINES[name](evidence)


def unknown_baseline(evidence: MetricInputs, name: str) -> str:
    """Why there is no such baseline; "" where there is."""
    if name == "dataset_mean" and evidence.dataset_mean is None:
        return "the mean colour of the data set is not known"
    return ""


def _image_mean(evidence: MetricInputs) -> Images:
    means = np.round(evidence.images.mean((1, 2), keepdims=True)).astype(np.uint8)
    return np.broadcast_to(means, evidence.images.shape)


def _dataset_mean(evidence: MetricInputs) -> Images:
    assert evidence.dataset_mean is not None
    return np.broadcast_to(evidence.dataset_mean, evidence.images.shape)


def _blur(evidence: MetricInputs) -> Images:
    from scipy.ndimage import gaussian_filter

    sigma = BLUR_SIGMA * min(evidence.images.shape[1:3])
    return np.stack([gaussian_filter(image, (sigma, sigma, 0), mode="nearest") for image in evidence.images])


_BASELINES: dict[str, Callable[[MetricInputs], Images]] = {
    "blur": _blur,
    "image_mean": _image_mean,
    "dataset_mean": _dataset_mean,
}
