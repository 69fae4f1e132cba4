"""What replaces pixels that are taken away. Always uint8: what a board would see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.quality.inputs import Images, MetricInputs

BLUR_SIGMA = 0.1  # of the shorter side: wide enough to hide the object, and no foreign colour is brought in


def baseline_images(inputs: MetricInputs, name: str) -> Images:
    """(N, H, W, C) for metric inputs whose baseline is known."""
    return _BASELINES[name](inputs)


def unknown_baseline(inputs: MetricInputs, name: str) -> str:
    """Why there is no such baseline; "" where there is."""
    if name == "dataset_mean" and inputs.dataset_mean is None:
        return "the mean colour of the data set is not known"
    return ""


def _image_mean(inputs: MetricInputs) -> Images:
    means = np.round(inputs.images.mean((1, 2), keepdims=True)).astype(np.uint8)
    return np.broadcast_to(means, inputs.images.shape)


def _dataset_mean(inputs: MetricInputs) -> Images:
    assert inputs.dataset_mean is not None
    return np.broadcast_to(inputs.dataset_mean, inputs.images.shape)


def _blur(inputs: MetricInputs) -> Images:
    from scipy.ndimage import gaussian_filter

    sigma = BLUR_SIGMA * min(inputs.images.shape[1:3])
    return np.stack([gaussian_filter(image, (sigma, sigma, 0), mode="nearest") for image in inputs.images])


_BASELINES: dict[str, Callable[[MetricInputs], Images]] = {
    "blur": _blur,
    "image_mean": _image_mean,
    "dataset_mean": _dataset_mean,
}
