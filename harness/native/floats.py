"""The host's own library: convolutions, gradients of dense layers and residual sums as operators of TensorFlow, and
what is called without it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import BitlensError
from harness.native import build


@functools.cache
def is_available() -> bool:
    """Whether the library is here or can be built, which is tried once; it takes some seconds then."""
    return build.loads(_operators)


@functools.cache
def library() -> ctypes.CDLL:
    """What is called without TensorFlow. Raises BitlensError as `call`."""
    _operators()  # first: it registers its operators where it is loaded
    loaded = ctypes.CDLL(str(build.floats_library()))
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    loaded.convolution_panel.restype = ctypes.c_int32
    loaded.pixels_between_16.argtypes = (pointer, pointer, pointer, ctypes.c_uint16, count, pointer)
    loaded.pixels_between_32.argtypes = (pointer, pointer, pointer, ctypes.c_uint32, count, pointer)
    loaded.scaled_pixels.argtypes = (pointer, pointer, pointer, count, count, pointer)
    for function in (loaded.pixels_between_16, loaded.pixels_between_32, loaded.scaled_pixels):
        function.restype = None
    return loaded


def call(name: str, maps: Mapping[str, Any], *, numbers: Sequence[int], shape: Sequence[int], threads: int = 1) -> Any:
    """A tensor (N, *shape) of what an operator makes of maps, which are tensors of float32 or None.

    The first map is there and has N images. `numbers` and the order of the maps are those of the operator's source.
    Raises BitlensError if there is no library and no compiler for it.
    """
    import tensorflow as tf

    places = [place for place, values in enumerate(maps.values()) if values is not None]
    given = [tf.convert_to_tensor(values, tf.float32) for values in maps.values() if values is not None]
    operator = getattr(_operators(), name)
    result = operator(given=given, places=places, numbers=numbers, shape=shape, maps=len(maps), threads=threads)
    return tf.ensure_shape(result, (given[0].shape[0], *shape))


@functools.cache
def _operators() -> Any:
    """Raises BitlensError if there is no library and no compiler for it, or TensorFlow does not take it."""
    import tensorflow as tf

    try:
        loaded = tf.load_op_library(str(build.floats_library()))
    except tf.errors.OpError as error:
        raise BitlensError(f"TensorFlow {tf.__version__} does not load this host's library: {error.message}") from error
    if not hasattr(loaded, "bitlens_convolution"):
        raise BitlensError(f"TensorFlow {tf.__version__} has no C API for this host's library")
    return loaded
