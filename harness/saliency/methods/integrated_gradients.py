"""Integrated Gradients: the gradient averaged from a baseline on (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import baseline_of, over_copies


def integrated_gradients(engine: Any, images: Images, *, steps: int = 50, baseline: str = "zero") -> Array:
    """(image - baseline) * mean gradient on the straight line between them, (N, H, W, C), signed.

    steps     Gauss-Legendre points of the integral. Completeness: the sum of an attribution is the logit's difference
              between image and baseline, up to the error of the integral; pseudo-gradients do not obey it.
    baseline  see copies.BASELINES, in preprocessed units.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(steps)  # type: ignore[no-untyped-call]
    points, weights = ((nodes + 1) / 2).astype(np.float32), (node_weights / 2).astype(np.float32)

    def change(batch: Images, copies: list[int]) -> Array:
        start = baseline_of(batch.pixels, baseline)
        return np.asarray(start + points[copies][:, None, None, None] * (batch.pixels - start), np.float32)

    def measure(batch: Images) -> Array:
        gradient: Array = engine.backward(batch.pixels, batch.targets).input_gradient
        return gradient

    total = np.zeros_like(images.pixels)
    for i, step, gradient in over_copies(engine, images, steps, change=change, measure=measure):
        total[i] += weights[step] * gradient
    return np.asarray(total * (images.pixels - baseline_of(images.pixels, baseline)), np.float32)
