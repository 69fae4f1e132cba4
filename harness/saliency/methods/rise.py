"""RISE: the mean of random masks, weighted by the score each leaves (Petsiuk et al. 2018, arXiv:1806.07421).

Forward passes only, so it works for models without gradients too. Masks are keyed by seed, image and index.
"""

from __future__ import annotations

import numpy as np

from harness.maps import resize
from harness.randomness import generator
from harness.saliency.attribution import Array, Images
from harness.saliency.methods.copies import baseline_of, over_copies, target_values
from harness.saliency.methods.scorer import Scorer


def rise(
    engine: Scorer,
    images: Images,
    *,
    masks: int = 1000,
    cells: int = 7,
    keep: float = 0.5,
    baseline: str = "zero",
    output: str = "score",
) -> Array:
    """Map (N, H, W), not negative for scores: sum(mask * score) / (masks * keep).

    masks     random masks per image; the paper uses 4,000-8,000.
    cells     cells of a mask along each side before it is enlarged and shifted.
    keep      probability that a cell is kept.
    baseline  what shows where a mask is 0, see copies.BASELINES; the paper's is "zero".
    output    "score" (what the model returns) or "logit".
    """
    size = images.pixels.shape[1:3]

    def mask(key: str, copy: int) -> Array:
        return _mask(size, cells=cells, keep=keep, rng=generator(images.seed, key, copy, purpose="rise"))

    def change(batch: Images, copies: list[int]) -> Array:
        shown = np.stack([mask(key, copy) for key, copy in zip(batch.keys, copies, strict=True)])[..., None]
        return shown * batch.pixels + (1 - shown) * baseline_of(batch.pixels, baseline)

    total = np.zeros((len(images), *size), np.float32)
    for i, copy, value in over_copies(
        engine, images, masks, change=change, measure=lambda batch: target_values(engine, batch, output)
    ):
        total[i] += value * mask(images.keys[i], copy)
    return np.asarray(total / np.float32(masks * keep))


def _mask(size: tuple[int, ...], *, cells: int, keep: float, rng: np.random.Generator) -> Array:
    """A grid of kept cells, enlarged bilinearly by one cell more than the image and cropped at a random shift."""
    cell = [-(-side // cells) for side in size]
    grid = (rng.random((cells + 1, cells + 1)) < keep).astype(np.float32)
    large = resize(grid[None], ((cells + 1) * cell[0], (cells + 1) * cell[1]))[0]
    top, left = rng.integers(0, cell[0]), rng.integers(0, cell[1])
    return np.asarray(large[top : top + size[0], left : left + size[1]])
