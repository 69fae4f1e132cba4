"""Small binarized models and the layers that they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np


def keras() -> Any:
    import tensorflow as tf

    return tf.keras.layers


def conv(filters: int = 32, kernel: int = 3, **changed: Any) -> Any:
    import larq as lq

    return lq.layers.QuantConv2D(filters, kernel, **{**binary("kernel"), "padding": "same", "pad_values": 1, **changed})


def binary(*kernels: str) -> dict[str, Any]:
    return {"input_quantizer": "ste_sign", "use_bias": False, **{f"{name}_quantizer": "ste_sign" for name in kernels}}


def sign() -> Any:
    import larq as lq

    return keras().Activation(lq.math.sign)


def norm() -> Any:
    return keras().BatchNormalization()


def chain(*layers: Any, size: int = 12, channels: int = 32) -> Any:
    """The layers in a row, with an end that turns images into a vector."""
    import tensorflow as tf

    image = x = tf.keras.Input((size, size, channels))
    for layer in layers:
        x = layer(x)
    return tf.keras.Model(image, summary(x))


def summary(x: Any) -> Any:
    if len(x.shape) == 4:
        return keras().GlobalAveragePooling2D()(x)
    return keras().Flatten()(x) if len(x.shape) > 2 else x


def image() -> Any:
    import tensorflow as tf

    return tf.keras.Input((12, 12, 32))


def model(image: Any, x: Any) -> Any:
    import tensorflow as tf

    return tf.keras.Model(image, summary(x))


def residual_with_relu() -> Any:
    x = start = image()
    x = norm()(conv()(x))
    x = keras().Activation("relu")(keras().Add()([x, start]))
    return model(start, keras().Add()([x, norm()(conv()(x))]))


def two_convolutions_of_one_sign() -> Any:
    start = image()
    x = sign()(start)
    branches = [norm()(conv(input_quantizer=None)(x)) for _ in range(2)]
    return model(start, keras().Concatenate()(branches))


def sign_for_floats_too() -> Any:
    start = image()
    x = sign()(start)
    binary_branch = norm()(conv(input_quantizer=None)(x))
    return model(start, keras().Add()([binary_branch, keras().Conv2D(32, 3, padding="same")(x)]))


def convolution_read_twice() -> Any:
    start = image()
    x = conv()(start)
    return model(start, keras().Concatenate()([norm()(x), norm()(conv()(x))]))


def concatenated_signs() -> Any:
    start = image()
    x = keras().Concatenate()([sign()(start), sign()(norm()(conv(32)(start)))])
    return model(start, norm()(conv(input_quantizer=None)(x)))


def concatenation_before_the_sign() -> Any:
    start = image()
    x = keras().Concatenate()([start, norm()(conv(32)(start))])
    return model(start, norm()(conv()(x)))


def pool_read_twice() -> Any:
    start = image()
    x = keras().MaxPooling2D()(norm()(conv()(start)))
    return model(start, keras().Add()([x, norm()(conv()(x))]))


def above_a_quarter(x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x > 0.25, 1.0, -1.0)


def at_least_zero(x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x >= 0, 1.0, -1.0)


def below_zero(x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x < 0, -1.0, 1.0)


def below_a_quarter(x: Any) -> Any:
    import tensorflow as tf

    return tf.where(x < 0.25, -1.0, 1.0)


def magnitude() -> Any:
    import larq as lq

    return lq.quantizers.MagnitudeAwareSign()


def quant(name: str, *arguments: Any, **changed: Any) -> Any:
    import larq as lq

    return getattr(lq.layers, name)(*arguments, **changed)


def depthwise(**changed: Any) -> Any:
    return quant("QuantDepthwiseConv2D", 3, **{**binary("depthwise"), "padding": "same", "pad_values": 1, **changed})


def separable() -> Any:
    both = binary("depthwise", "pointwise")
    return quant("QuantSeparableConv2D", 16, 3, **both, padding="same", pad_values=1)


def dense(units: int) -> Any:
    return quant("QuantDense", units, **binary("kernel"))


def random_bias() -> dict[str, Any]:
    return {"use_bias": True, "bias_initializer": "random_normal"}


def with_gammas(made: Any, gammas: list[float]) -> Any:
    """The model, with its batch norms' first gammas set."""
    randomise(made)
    for layer in made.layers:
        if isinstance(layer, keras().BatchNormalization):
            weights = layer.get_weights()
            weights[0][: len(gammas)] = gammas
            layer.set_weights(weights)
    return made


def randomise(made: Any, seed: int = 0) -> None:
    """Batch norms that do something: factors of both signs, and statistics in the order of a convolution's sums."""
    rng = np.random.default_rng(seed)
    for layer in made.layers:
        if isinstance(layer, keras().BatchNormalization):
            (n,) = layer.gamma.shape
            gamma = rng.uniform(0.5, 1.5, n) * rng.choice([-1, 1], n)
            layer.set_weights([gamma, rng.normal(0, 1, n), rng.normal(0, 5, n), rng.uniform(1, 200, n)])
