"""Models of Keras 3: fast graph, plain graph and a GradientTape over the model itself give the same gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.outputs import PROBABILITIES
from harness.quality.randomisation import parameter_randomisation
from harness.saliency import GradientEngine, compute, explain, list_layers

SHAPE, CLASSES = (16, 16, 3), 3
IMAGES = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype(np.float32)
TARGETS = np.array([0, 2])


def model_of(body: Callable[[Any], Any]) -> Any:
    """The body between an image and class scores without a softmax, its batch norms as after training."""
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(body(image))
    model = keras.Model(image, keras.layers.Dense(CLASSES, dtype="float32")(x))
    rng = np.random.default_rng(1)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.1, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
    return model


def by_tape(model: Any) -> np.ndarray:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        images = tf.constant(IMAGES)
        tape.watch(images)
        score = tf.reduce_sum(tf.gather(model(images, training=False), TARGETS, batch_dims=1))
    gradients: np.ndarray = tape.gradient(score, images).numpy()
    return gradients


def masked(x: Any) -> Any:
    from keras import layers

    x = layers.Masking()(layers.ReLU()(layers.Reshape((16, 48))(x)))
    return layers.GlobalAveragePooling1D()(layers.BatchNormalization()(x))


def called_by_keyword(x: Any) -> Any:
    from keras import layers

    x = layers.BatchNormalization()(inputs=layers.Conv2D(4, 3)(x))
    x = layers.Reshape((-1, 4))(x)
    return layers.MultiHeadAttention(1, 4)(query=x, value=x)


def hidden_augmentation(x: Any) -> Any:
    """A layer of one's own, without a training mode, around layers that have one."""
    import keras

    class Own(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.flip, self.drop = keras.layers.RandomFlip(), keras.layers.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.drop(self.flip(x))

    return Own()(x)


def subclassed_inside(x: Any) -> Any:
    import keras

    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.drop = keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Dropout(0.5)

        def call(self, x: Any, training: bool = False) -> Any:
            return self.drop(self.features(x), training=training)

    return Own()(x)


def several_outputs(x: Any) -> Any:
    """Models as layers with two inputs, and with a dictionary of outputs."""
    import keras
    from keras import layers

    one, other = keras.Input((16, 16, 4)), keras.Input((16, 16, 4))
    split = keras.Model(one, {"first": layers.ReLU()(one), "second": layers.Conv2D(4, 1)(one)})
    joined = keras.Model([one, other], layers.Subtract()([one, other]))
    parts = split(layers.Conv2D(4, 3, padding="same")(x))
    return joined([parts["first"], parts["second"]])


def functions(x: Any) -> Any:
    from keras import layers, ops

    x = ops.relu6(ops.relu(layers.Conv2D(4, 3)(x)))[:, 1:, :-1] * 2 - 1
    x = ops.where(x > 0, x, ops.zeros_like(x))
    return layers.Activation(ops.silu)(ops.transpose(ops.einsum("bhwc->bhc", x), (0, 2, 1)))


def norm_of_rows(x: Any) -> Any:
    from keras import layers

    return layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(x))


def norms(x: Any) -> Any:
    from keras import layers

    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.BatchNormalization(scale=False, center=False)(x))
    x = layers.LayerNormalization(axis=(1, 2, 3))(layers.BatchNormalization()(x))
    return layers.UnitNormalization()(layers.GroupNormalization(3)(x))


def of_tiles_and_blocks(x: Any) -> Any:
    from keras import layers

    x = layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same")(x))
    x = layers.Conv2D(32, 3, padding="same", activation="swish")(layers.Activation("gelu")(x))
    return layers.Conv2D(32, 3)(layers.ReLU()(x))


def padded(x: Any) -> Any:
    from keras import layers

    x = layers.Conv2D(8, 3, groups=2)(layers.Conv2D(8, 3, dilation_rate=2)(layers.ZeroPadding2D(2)(x)))
    return layers.DepthwiseConv2D(3, strides=2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(layers.Cropping2D(1)(x)))


def recurrent(x: Any) -> Any:
    from keras import layers

    x = layers.TimeDistributed(layers.Dense(4, activation="relu"))(layers.Reshape((4, 192))(x))
    return layers.Bidirectional(layers.SimpleRNN(3))(x)


def normalized_weights(x: Any) -> Any:
    from keras import layers

    return layers.SpectralNormalization(layers.Conv2D(4, 3))(
        layers.Normalization(mean=[0, 1, 2], variance=[1, 2, 3])(x)
    )


def noisy(x: Any) -> Any:
    from keras import layers

    return layers.AlphaDropout(0.5)(layers.Conv2D(4, 3)(layers.RandomContrast(0.5)(layers.GaussianNoise(0.5)(x))))


BODIES = [
    masked,
    called_by_keyword,
    hidden_augmentation,
    subclassed_inside,
    several_outputs,
    functions,
    norm_of_rows,
    norms,
    of_tiles_and_blocks,
    padded,
    recurrent,
    normalized_weights,
    noisy,
]


def assert_gradients_equal_the_tape(model: Any) -> None:
    expected = by_tape(model)
    for fast in (True, False):
        backward = GradientEngine(model, fast=fast).backward(IMAGES, TARGETS)
        np.testing.assert_allclose(backward.logits, model(IMAGES, training=False), atol=2e-6)
        np.testing.assert_allclose(backward.input_gradient, expected, atol=2e-6 * np.ptp(expected))


@pytest.mark.parametrize("body", BODIES)
def test_fast_and_plain_gradients_are_those_of_a_plain_tape(body: Callable[[Any], Any]) -> None:
    assert_gradients_equal_the_tape(model_of(body))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_models_that_compute_in_halves_are_explained_by_their_own_layers(policy: str) -> None:
    import keras

    keras.config.set_dtype_policy(policy)
    try:
        model = model_of(of_tiles_and_blocks)
    finally:
        keras.config.set_dtype_policy("float32")
    fast, plain = (GradientEngine(model, fast=fast).backward(IMAGES, TARGETS) for fast in (True, False))
    np.testing.assert_array_equal(fast.input_gradient, plain.input_gradient)
    np.testing.assert_allclose(plain.input_gradient, by_tape(model), atol=0.02 * np.ptp(plain.input_gradient))


def test_low_rank_and_quantized_kernels_are_not_folded() -> None:
    """LoRA adds to a kernel whenever it is read, so that a folded one would be added to once more."""
    import keras

    convolution, dense = keras.layers.Conv2D(4, 3), keras.layers.Dense(6)

    def body(x: Any) -> Any:
        x = keras.layers.BatchNormalization()(convolution(x))
        return keras.layers.BatchNormalization()(dense(keras.layers.Flatten()(x)))

    model = model_of(body)
    for layer in (convolution, dense):
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.random.default_rng(3).normal(size=layer.lora_kernel_b.shape))
    assert_gradients_equal_the_tape(model)


@pytest.mark.parametrize("head", ["layer", "activation", "function as activation", "operation"])
def test_softmax_is_taken_off_in_whichever_form_it_was_written(head: str) -> None:
    import keras

    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = keras.layers.Flatten()(image)
    activation = {"activation": "softmax", "function as activation": keras.ops.softmax}.get(head)
    x = keras.layers.Dense(CLASSES, activation=activation, name="logits")(x)
    x = keras.layers.Softmax()(x) if head == "layer" else keras.ops.softmax(x) if head == "operation" else x
    engine = GradientEngine(keras.Model(image, x))
    assert engine.head.kind == PROBABILITIES
    kernel = keras.Model(image, x).get_layer("logits").kernel.numpy()
    gradients = engine.backward(IMAGES, TARGETS).input_gradient
    np.testing.assert_allclose(gradients.reshape(2, -1), kernel.T[TARGETS], atol=1e-6)


def test_fullgrad_sums_to_the_logit_and_guided_backprop_guides() -> None:
    from keras import layers, ops

    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation=ops.relu, bias_initializer="ones")(x))
        return layers.MaxPooling2D()(layers.ReLU()(layers.add([x, layers.Conv2D(4, 3, padding="same")(x)])))

    model = model_of(body)
    engine = GradientEngine(model)
    logits = engine.logits(IMAGES)[np.arange(2), TARGETS]
    whole = compute(engine, "fullgrad", IMAGES, TARGETS, parameters={"combine": "sum"}).values
    np.testing.assert_allclose(whole.sum((1, 2)), logits, rtol=1e-4)
    guided = compute(engine, "guided_backprop", IMAGES, TARGETS).values
    assert not np.allclose(guided, by_tape(model))
    with pytest.raises(ConfigError, match=r'fullgrad: .* layer "batch_normalization'):
        explain(model_of(norm_of_rows), IMAGES, "fullgrad")


def test_randomisation_shuffles_a_copy_and_leaves_the_model_as_it_was() -> None:
    model = model_of(several_outputs)
    before = model.get_weights()
    cascade = parameter_randomisation(
        model, lambda engine: compute(engine, "gradient", IMAGES, TARGETS).maps(SHAPE[:2]), seed=0, stages=2
    )
    assert len(cascade.stages) == 2
    assert (cascade.spearman[-1].values < 0.9).all()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_layers_of_nested_models_are_candidates_of_class_activation_maps() -> None:
    model = model_of(several_outputs)
    names = [info.name for info in list_layers(model)]
    assert [info.name for info in list_layers(model) if info.default] == [names[-1]]
    assert any(name.startswith("functional") and "/" in name for name in names)
    assert explain(model, IMAGES, "gradcam").shape == (2, *SHAPE[:2])


def test_subclassed_model_says_how_to_build_it() -> None:
    import keras

    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(ConfigError, match="whose layers cannot be enumerated"):
        GradientEngine(Own())


def test_another_backend_than_tensorflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    model = model_of(norms)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ConfigError, match='Keras computes with "jax"') as caught:
        GradientEngine(model)
    assert "KERAS_BACKEND=tensorflow" in str(caught.value)
