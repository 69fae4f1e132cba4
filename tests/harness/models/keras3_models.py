"""Ten models of Keras 3 as people make them, small: what their files must come back as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

SIZE, CLASSES = 32, 5
SHAPE = (SIZE, SIZE, 3)
IMAGES = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)


def sequential() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def residual() -> Any:
    """A functional model whose scores are logits."""
    import keras
    from keras import layers

    image = keras.Input(SHAPE)
    x = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(image)))
    x = layers.add([x, layers.Conv2D(8, 3, padding="same")(x)])
    return keras.Model(image, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def mobilenet_v3() -> Any:
    import keras

    return keras.applications.MobileNetV3Small(input_shape=SHAPE, weights=None, classes=CLASSES)


def preprocessing_inside() -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Rescaling(1 / 2, offset=-0.1),
            layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 3.0]),
            layers.RandomFlip(),
            layers.Conv2D(8, 3, activation="swish"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(CLASSES),
            layers.Softmax(),
        ]
    )


def attention() -> Any:
    """A transformer block over patches; its attention is called with tensors by keyword."""
    import keras
    from keras import layers

    image = keras.Input(SHAPE)
    x = layers.Reshape((16, 16))(layers.Conv2D(16, SIZE // 4, strides=SIZE // 4)(image))
    normed = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(2, 8)(query=normed, value=normed)])
    x = layers.Add()([x, layers.Dense(16)(layers.Dense(32, activation="gelu")(layers.LayerNormalization()(x)))])
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def nested() -> Any:
    """A sequential model in a functional one in another, each of the outer two called twice."""
    import keras
    from keras import layers

    block = keras.Sequential(
        [layers.Conv2D(8, 3, padding="same", activation="relu"), layers.Conv2D(8, 1)], name="block"
    )
    features = keras.Input((SIZE, SIZE, 8))
    inner = keras.Model(features, layers.Add()([features, block(features)]), name="inner")
    norm = layers.BatchNormalization(name="shared")
    image = keras.Input(SHAPE)
    x = norm(inner(layers.Conv2D(8, 1)(image)))
    x = layers.Flatten()(layers.AveragePooling2D(8)(norm(layers.ReLU()(inner(x)))))
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(x))


def operations() -> Any:
    """Plain functions between layers, one with two outputs."""
    import keras
    from keras import layers, ops

    image = keras.Input(SHAPE)
    first, second = ops.split(layers.Conv2D(8, 3, padding="same")(image), 2, axis=-1)
    x = ops.concatenate([first * ops.sigmoid(second), ops.relu(first) - second], axis=-1)
    return keras.Model(image, ops.softmax(layers.Dense(CLASSES)(ops.mean(x / 2.0 + 0.5, axis=(1, 2)))))


def decoder() -> Any:
    import keras
    from keras import layers

    image = keras.Input(SHAPE)
    x = layers.SeparableConv2D(8, 3, strides=2, padding="same", activation="relu6")(image)
    x = layers.GroupNormalization(4)(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="leaky_relu")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.AveragePooling2D(2)(x))
    x = layers.EinsumDense("bhwc,cd->bhwd", output_shape=(None, None, 8), bias_axes="d")(x)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def squeeze_excite() -> Any:
    import keras
    from keras import layers

    image = keras.Input(SHAPE)
    x = layers.ZeroPadding2D(1)(layers.Conv2D(16, 3, strides=2, padding="same", activation="silu")(image))
    x = layers.PReLU(shared_axes=[1, 2])(layers.BatchNormalization(axis=-1)(layers.DepthwiseConv2D(3)(x)))
    scale = layers.Conv2D(4, 1, activation="relu")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Multiply()([x, layers.Conv2D(16, 1, activation="hard_sigmoid")(scale)])
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax")(layers.GlobalMaxPooling2D()(x)))


def open_size() -> Any:
    """A fully convolutional model that takes images of any size."""
    import keras
    from keras import layers

    image = keras.Input((None, None, 3))
    x = layers.SpatialDropout2D(0.2)(layers.Conv2D(8, 3, activation="elu")(image))
    return keras.Model(
        image, layers.Activation("softmax")(layers.GlobalAveragePooling2D()(layers.Conv2D(CLASSES, 1)(x)))
    )


BUILDERS: dict[str, Callable[[], Any]] = {
    build.__name__: build
    for build in (
        sequential,
        residual,
        mobilenet_v3,
        preprocessing_inside,
        attention,
        nested,
        operations,
        decoder,
        squeeze_excite,
        open_size,
    )
}


def build(name: str) -> Any:
    """A model of the table with weights of a seed, its batch norms as after training."""
    import keras

    keras.utils.set_random_seed(0)
    model = BUILDERS[name]()
    rng = np.random.default_rng(1)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            count = layer.moving_mean.shape[0]
            signs = rng.uniform(-1, 1.5, count)
            layer.set_weights([signs, rng.normal(0, 0.1, count), rng.normal(0, 0.1, count), rng.uniform(0.5, 2, count)])
    return model


def saved(model: Any, path: Any) -> Any:
    """The model in a file, or in the folder of an export where the path has no suffix."""
    if path.suffix:
        model.save(path)
    else:
        model.export(str(path), verbose=False)
    return path
