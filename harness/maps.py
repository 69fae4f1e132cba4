"""From raw attributions to maps. `saliency_map` is the one way, for scores and figures alike: channels, then size.

Stored are raw attributions. `clip_percentile` and `stretch` are for the eye alone: no score is computed after them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError, nearest

Array = NDArray[np.float32]

CHANNELS: dict[str, Callable[[Array], Array]] = {
    "max_abs": lambda values: np.abs(values).max(axis=-1),  # the paper's: greatest absolute value of a pixel
    "sum_abs": lambda values: np.abs(values).sum(axis=-1),
    "mean": lambda values: values.mean(axis=-1, dtype=np.float32),
    "sum": lambda values: values.sum(axis=-1, dtype=np.float32),  # keeps sign and completeness
}


def saliency_map(values: Array, size: tuple[int, ...], *, channels: str = "max_abs") -> Array:
    """Maps (N, H, W) in the geometry of the input, float32, not normalised.

    values    (N, H, W, C) or (N, h, w), as in `Attribution.values`.
    size      (H, W) to enlarge to.
    channels  how (N, H, W, C) loses its channels; `Attribution.channels` is the method's usual way.
    """
    if values.ndim == 4:
        values = reduce_channels(values, channels)
    return resize(values, size)


def reduce_channels(values: Array, how: str) -> Array:
    """(N, H, W, C) -> (N, H, W)."""
    if how not in CHANNELS:
        raise ConfigError(f'channels: "{how}" is not a way to reduce channels', hint=nearest(how, CHANNELS))
    return np.asarray(CHANNELS[how](values), np.float32)


def resize(maps: Array, size: tuple[int, ...]) -> Array:
    """Bilinear with half-pixel centres, edges held; for enlarging: (N, h, w) -> (N, H, W)."""
    if maps.shape[1:] == tuple(size):
        return np.asarray(maps, np.float32)
    rows, columns = _bilinear(maps.shape[1], size[0]), _bilinear(maps.shape[2], size[1])
    return np.asarray(rows @ maps @ columns.T, np.float32)


def clip_percentile(maps: Array, percentile: float = 99.0) -> Array:
    """Cut every map at this percentile (0-100) of its own absolute values, on both sides of zero."""
    limit = np.percentile(np.abs(maps), percentile, axis=(1, 2), keepdims=True)
    return np.asarray(np.clip(maps, -limit, limit), np.float32)


def stretch(maps: Array) -> Array:
    """Every map to 0...1 for the eye; a constant map becomes 0. Hides how strong a map is: never for storing."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return np.asarray((maps - low) / np.where(high > low, high - low, 1), np.float32)


def _bilinear(source: int, target: int) -> Array:
    """(target, source) weights: each row sums to one."""
    centre = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    lower = np.floor(centre).astype(int)
    upper = np.minimum(lower + 1, source - 1)
    weights = np.zeros((target, source), np.float32)
    np.add.at(weights, (np.arange(target), lower), 1 - (centre - lower))
    np.add.at(weights, (np.arange(target), upper), centre - lower)
    return weights
