"""One binarized convolution on the host by the LCE operators' kernels, without a TFLite runtime.

Products of +1 and -1 are counted as bits, 32 in a word. Their sums are integers, so they are those of a convolution in
floats, bit for bit, as long as they stay below 2^24.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.native import build, floats

Array = NDArray[np.float32]
WORD_BITS = 32
_count = itertools.count()  # no two convolutions have the same numbers, so none is taken for another


@functools.cache
def is_available() -> bool:
    """Whether both libraries are here or can be built, which is tried once; it takes some seconds then."""
    return floats.is_available() and build.loads(_library)


class SignConvolution:
    """The convolution of the signs of one batch's values with a kernel of +1 and -1, for one shape.

    shape      (N, H, W, C) of what will be convolved.
    kernel     (h, w, C, filters), each value +1 or -1.
    padding    "same" as TensorFlow pads, or "valid".
    pad_value  what "same" pads with: 0 or 1.
    threads    that share a convolution.
    Raises ConfigError for another pad_value, kernel or shape.
    """

    def __init__(
        self,
        shape: tuple[int, int, int, int],
        kernel: Array,
        *,
        strides: tuple[int, int] = (1, 1),
        dilations: tuple[int, int] = (1, 1),
        padding: str = "valid",
        pad_value: int = 0,
        threads: int = 1,
    ) -> None:
        import tensorflow as tf

        height, width, channels, filters = kernel.shape
        if pad_value not in (0, 1) or channels != shape[3] or not (np.abs(kernel) == 1).all():
            raise ConfigError(
                f"expected a kernel (h, w, {shape[3]}, filters) of +1 and -1 and a padding of 0 or 1, "
                f"got shape {kernel.shape}, values from {kernel.min():g} to {kernel.max():g} and {pad_value}"
            )
        self.shape = shape
        self.out_shape = (shape[0], *_positions(shape[1:3], (height, width), strides, dilations, padding), filters)
        description = (*shape, height, width, filters, *strides, *dilations, padding == "same", pad_value, threads)
        packed = _packed(kernel)
        _check(description, packed, math.prod(self.out_shape), f"{shape} with {kernel.shape}")
        with tf.init_scope():  # not a part of what is traced
            self._kernel = tf.constant(packed.view(np.float32))
        self._numbers = (*_addresses(), math.prod(self.out_shape), *description, next(_count))

    def __call__(self, values: Any) -> Any:
        """Sums (N, h, w, filters) of the products. A value below 0 counts as -1, any other as +1."""
        if tuple(values.shape) != self.shape:
            raise ConfigError(
                f"binarized convolution: expected values of shape {self.shape}, got {tuple(values.shape)}"
            )
        maps = {"values": values, "kernel": self._kernel}
        return floats.call("bitlens_sign_convolution", maps, numbers=self._numbers, shape=self.out_shape[1:])


def _check(description: tuple[int, ...], packed: NDArray[np.uint32], out_size: int, what: str) -> None:
    """Raises ConfigError where the operators have no such convolution."""
    described, problem = (ctypes.c_int32 * len(description))(*description), ctypes.create_string_buffer(256)
    handle = _library().lce_convolution_new(described, packed.ctypes.data, out_size, problem, len(problem))
    if not handle:
        raise ConfigError(f"binarized convolution of {what}: {problem.value.decode()}")
    _library().lce_convolution_delete(handle)


def _addresses() -> list[int]:
    """Of what makes, runs and ends a convolution."""
    names = ("lce_convolution_new", "lce_convolution_run", "lce_convolution_delete")
    return [int(ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value or 0) for name in names]


def _positions(
    size: tuple[int, ...], window: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int], padding: str
) -> tuple[int, ...]:
    """Where a window stands along the two axes of an image."""
    extents = ((taps - 1) * dilation + 1 for taps, dilation in zip(window, dilations, strict=True))
    return tuple(
        -(-(length if padding == "same" else length - extent + 1) // stride)
        for length, extent, stride in zip(size, extents, strides, strict=True)
    )


def _packed(kernel: Array) -> NDArray[np.uint32]:
    """(filters, h, w, words): bit c % 32 of word c / 32 is set where channel c is -1."""
    height, width, channels, filters = kernel.shape
    words = -(-channels // WORD_BITS)
    bits = np.zeros((filters, height, width, words * WORD_BITS), np.uint8)
    bits[..., :channels] = kernel.transpose(3, 0, 1, 2) < 0
    return np.packbits(bits, axis=-1, bitorder="little").view("<u4").astype(np.uint32)


@functools.cache
def _library() -> ctypes.CDLL:
    """Raises BitlensError if there is no library and no compiler for it."""
    library = ctypes.CDLL(str(build.host_library()))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    library.lce_convolution_new.restype = pointer
    library.lce_convolution_new.argtypes = (pointer, pointer, ctypes.c_int64, ctypes.c_char_p, size)
    library.lce_convolution_delete.argtypes = (ctypes.c_void_p,)
    library.lce_convolution_delete.restype = None
    return library
