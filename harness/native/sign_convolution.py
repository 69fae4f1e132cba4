"""One binarized convolution on the host by the LCE operators' kernels, without a TFLite runtime.

Products of +1 and -1 are counted as bits, 32 in a word. Their sums are integers, so they are those of a convolution in
floats, bit for bit, as long as they stay below 2^24.
"""

from __future__ import annotations

import ctypes
import functools
import weakref

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError
from harness.native import build
from harness.native.arrays import aligned

Array = NDArray[np.float32]
WORD_BITS = 32


class _Convolution(ctypes.Structure):
    """As `device/lce_ops/direct.cc` has it."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            *("batch", "height", "width", "channels"),
            *("filter_height", "filter_width", "out_channels"),
            *("stride_height", "stride_width", "dilation_height", "dilation_width"),
            *("same", "pad_value", "threads"),
        )
    ]


@functools.cache
def is_available() -> bool:
    """Whether the operators' library is here or can be built, which is tried once; it takes some seconds then."""
    return build.loads(_library)


class SignConvolution:
    """The convolution of the signs of one batch's values with a kernel of +1 and -1, for one shape; not thread-safe.

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
        height, width, channels, filters = kernel.shape
        if pad_value not in (0, 1) or channels != shape[3] or not (np.abs(kernel) == 1).all():
            raise ConfigError(
                f"expected a kernel (h, w, {shape[3]}, filters) of +1 and -1 and a padding of 0 or 1, "
                f"got shape {kernel.shape}, values from {kernel.min():g} to {kernel.max():g} and {pad_value}"
            )
        self.shape = shape
        self.out_shape = (shape[0], *_positions(shape[1:3], (height, width), strides, dilations, padding), filters)
        self._library = _library()
        described = _Convolution(
            *shape, height, width, filters, *strides, *dilations, padding == "same", pad_value, threads
        )
        problem = ctypes.create_string_buffer(256)
        self._handle = self._library.lce_convolution_new(
            ctypes.byref(described), _packed(kernel), int(np.prod(self.out_shape)), problem, len(problem)
        )
        if not self._handle:
            raise ConfigError(f"binarized convolution of {shape} with {kernel.shape}: {problem.value.decode()}")
        weakref.finalize(self, self._library.lce_convolution_delete, self._handle)

    def __call__(self, values: Array) -> Array:
        """Sums (N, h, w, filters) of the products. A value below 0 counts as -1, any other as +1."""
        if values.shape != self.shape:
            raise ConfigError(f"binarized convolution: expected values of shape {self.shape}, got {values.shape}")
        values, sums = np.ascontiguousarray(values, np.float32), aligned(self.out_shape)
        self._library.lce_convolution_run(self._handle, values.ctypes.data, sums.ctypes.data)
        return sums


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
    library.lce_convolution_new.restype = ctypes.c_void_p
    library.lce_convolution_new.argtypes = (
        ctypes.c_void_p,
        np.ctypeslib.ndpointer(np.uint32, flags="C"),
        ctypes.c_int64,
        ctypes.c_char_p,
        ctypes.c_size_t,
    )
    library.lce_convolution_run.argtypes = (ctypes.c_void_p,) * 3
    library.lce_convolution_run.restype = None
    library.lce_convolution_delete.argtypes = (ctypes.c_void_p,)
    library.lce_convolution_delete.restype = None
    return library
