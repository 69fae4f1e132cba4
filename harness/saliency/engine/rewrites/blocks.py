"""Backward passes of convolutions of images, two to three times faster.

An image has three channels, and a backward pass to it computes sixteen at a time. So whole blocks of pixels are taken
for the channels of one: what goes back to a block is a convolution as well, forwards, with the taps that reach each of
its pixels. The same products are added up in another order, which moves a map by last bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.saliency.attribution import Array
from harness.saliency.engine.graph import with_backward
from harness.saliency.engine.rewrites.convolutions import is_ordinary, zeros_before

MOST_CHANNELS = 4  # of an image
SMALLEST_BLOCK = 2  # where every pixel is visited


def suits_blocks(layer: Any) -> bool:
    """Whether a layer is a convolution of what has as few channels as an image."""
    return is_ordinary(layer) and len(set(layer.strides)) == 1 and layer.kernel.shape[2] <= MOST_CHANNELS


def by_blocks(layer: Any) -> Callable[..., Any]:
    """The layer's convolution of (values, kernel) with another backward pass."""

    def convolution(values: Any, kernel: Any) -> Any:
        size = values.shape[1], values.shape[2]
        before = zeros_before(layer, size)

        def backward(upstream: Any, values: Any, kernel: Any) -> Any:
            return _backward(upstream, kernel, stride=layer.strides[0], before=before, size=size)

        return with_backward(own, backward)(values, kernel)

    own = layer.convolution_op
    return convolution


def _backward(upstream: Any, kernel: Any, *, stride: int, before: tuple[int, int], size: tuple[int, int]) -> Any:
    """What arrives at images of this size."""
    import tensorflow as tf

    block = max(stride, SMALLEST_BLOCK)
    with tf.init_scope():  # a variable has values only outside of what is traced
        values = kernel.numpy()
    rows, columns = (_reaching(taps, stride, zeros, block) for taps, zeros in zip(values.shape[:2], before))
    turned = np.einsum("urk,vsl,klcf->uvfrsc", rows.taps, columns.taps, values, optimize=True)
    turned = turned.reshape(*turned.shape[:3], -1).astype(np.float32)
    padding = [
        (-axis.first, max(0, axis.last + (length - 1) // block * axis.step - have + 1))
        for axis, length, have in zip((rows, columns), size, upstream.shape[1:3])
    ]
    blocks = tf.nn.conv2d(upstream, turned, [rows.step, columns.step], [(0, 0), *padding, (0, 0)])
    return tf.nn.depth_to_space(blocks, block)[:, : size[0], : size[1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reaching:
    """Along one axis: which outputs of a convolution depend on a block of its inputs, and by which taps.

    taps         (outputs, pixels of the block, taps of the kernel), 1 where they meet.
    first, last  of these outputs for the first block.
    step         outputs from one block to the next.
    """

    taps: Array
    first: int
    last: int
    step: int


def _reaching(taps: int, stride: int, before: int, block: int) -> _Reaching:
    """Output o meets pixel i by tap i + before - o * stride, if there is such a tap."""
    first, last = -((taps - 1 - before) // stride), (block - 1 + before) // stride
    outputs, pixels = np.arange(first, last + 1), np.arange(block)
    meeting = pixels[None, :] + before - outputs[:, None] * stride
    return _Reaching(
        taps=(meeting[..., None] == np.arange(taps)).astype(np.float32), first=first, last=last, step=block // stride
    )
