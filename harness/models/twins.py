"""The twin architecture: one compact residual model, built in floats or binarized.

Both twins have the same layers in the same order with the same shapes. Every convolution but the first is a Larq
QuantConv2D; in the binarized twin its inputs and kernels pass through the sign function with a straight-through
pseudo-gradient, in the float twin through nothing. The first convolution and the classifier are full precision in
both, as is usual (Rastegari et al. 2016, arXiv:1603.05279). Each convolution has its own shortcut, so that real-valued
features survive binarization (Liu et al. 2018, arXiv:1808.00278); shortcuts have no parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.keras_packages import import_larq
from harness.models.designs import BINARY, FLOAT, Design

STAGES = ((64, 2), (128, 3))  # (channels, convolutions); the first convolution of a later stage halves the map


def build_twin(*, image_size: int, classes: int, binarized: bool) -> Any:
    """An untrained Keras model of the twin architecture, ending in a softmax Dense layer.

    image_size  side of the square colour input in pixels. Images above 32 pixels are halved by the first convolution,
                so that all data sets reach the residual stages as 16 x 16 maps.
    """
    name = "twin_binary" if binarized else "twin_float"
    return build_design(BINARY if binarized else FLOAT, image_size=image_size, classes=classes, name=name)


def build_design(design: Design, *, image_size: int, classes: int, name: str) -> Any:
    """The same for any design of the ablation family."""
    import tf_keras

    inputs = tf_keras.Input((image_size, image_size, 3), name="image")
    x = _stem(inputs, strides=1 if image_size <= 32 else 2)
    for stage, (channels, convolutions) in enumerate(STAGES):
        used = design if design.is_binarized(stage, len(STAGES)) else replace(design, weights=False, activations=False)
        for position in range(convolutions):
            strides = 2 if stage > 0 and position == 0 else 1
            x = _block(x, channels, strides=strides, design=used, name=f"stage{stage + 1}_{position + 1}")
    x = tf_keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = tf_keras.layers.Dense(classes, activation="softmax", name="classifier")(x)
    return tf_keras.Model(inputs, outputs, name=name)


def float_twin(*, weights: None, input_shape: tuple[int, int, int], classes: int) -> Any:
    """The full-precision twin, untrained, with the signature that keras.applications uses."""
    return build_twin(image_size=input_shape[0], classes=classes, binarized=False)


def binary_twin(*, weights: None, input_shape: tuple[int, int, int], classes: int) -> Any:
    """The binarized twin, untrained, with the signature that keras.applications uses."""
    return build_twin(image_size=input_shape[0], classes=classes, binarized=True)


def _stem(x: Any, *, strides: int) -> Any:
    from tf_keras import layers

    channels = STAGES[0][0]
    x = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(momentum=0.9, name="stem_norm")(x)
    x = layers.ReLU(name="stem_relu")(x)
    return layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)


def _block(x: Any, channels: int, *, strides: int, design: Design, name: str) -> Any:
    """convolution -> ReLU -> batch norm, plus the block's input, as far as the design has them."""
    from tf_keras import layers

    lq = import_larq()
    norm = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")
    y = norm(x) if design.norm_first else x
    y = lq.layers.QuantConv2D(
        channels,
        3,
        strides=strides,
        padding="same",
        input_quantizer=design.input_quantizer,
        kernel_quantizer=design.kernel_quantizer,
        kernel_constraint="weight_clip" if design.weights else None,
        use_bias=False,
        name=name,
    )(y)
    if design.relu:
        y = layers.ReLU(name=f"{name}_relu")(y)
    if not design.norm_first:
        y = norm(y)
    if not design.shortcut:
        return y
    if strides > 1:  # halve the map, double the channels
        x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_shrink")(x)
        x = layers.Concatenate(name=f"{name}_widen")([x, x])
    return layers.Add(name=f"{name}_add")([y, x])
