"""What rewrites of convolutions ask of a layer: whether it is an ordinary one, and the zeros around its images."""

from __future__ import annotations

from typing import Any

from harness.keras_packages import imported_larq, keras_of


def is_ordinary(layer: Any) -> bool:
    """Whether a layer convolves all channels, last in shape, with a window without gaps."""
    larq = imported_larq()
    kinds = (keras_of(layer).layers.Conv2D, *([larq.layers.QuantConv2D] if larq else []))
    return (
        type(layer) in kinds
        and layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.padding in ("same", "valid")
        and layer.data_format == "channels_last"
        and has_plain_kernel(layer)
    )


def has_plain_kernel(layer: Any) -> bool:
    """Whether a layer multiplies with its weights as they are. Keras 3 may quantize them, or add others (LoRA)."""
    return not getattr(layer, "lora_enabled", False) and getattr(layer, "quantization_mode", None) is None


def same_padding(size: int, taps: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of the given size in a "same" convolution."""
    padding = max((-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
    return padding // 2, padding - padding // 2


def zeros_before(layer: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Zeros above and to the left of an image that a convolution is called with.

    Larq changes the layer's padding while it calls it, so this is to be asked while tracing.
    """
    if layer.padding == "valid":
        return 0, 0
    axes = zip(size, layer.kernel_size, layer.strides, layer.dilation_rate)
    above, left = (same_padding(*axis)[0] for axis in axes)
    return above, left
