"""The library of what the host computes in floats: convolutions, gradients of dense layers, residual sums."""

from __future__ import annotations

import ctypes
import functools

from harness.native import build


@functools.cache
def is_available() -> bool:
    """Whether the library is here or can be built, which is tried once; it takes some seconds then."""
    return build.loads(library)


@functools.cache
def library() -> ctypes.CDLL:
    """Raises BitlensError if there is no library and no compiler for it."""
    loaded = ctypes.CDLL(str(build.floats_library()))
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    loaded.convolution_panel.restype = ctypes.c_int32
    loaded.convolve_floats.argtypes = (pointer, ctypes.c_int32, pointer, pointer, count, count)
    loaded.convolve_floats.restype = None
    loaded.dense_gradient.argtypes = (pointer, count, pointer, count, pointer, count, count, count)
    loaded.dense_gradient.restype = None
    loaded.residual_sum.argtypes = (pointer, pointer, count, ctypes.c_int32, pointer, count, count)
    loaded.residual_sum.restype = None
    return loaded
