"""A stranger's attention model, and the map of tokens that its class activation map is taken from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute
from tests.harness.strangers.test_cam_layers import IMAGES, KERAS, chosen, model_of


def transformer(
    keras: Any, x: Any, *, patch: int = 4, extra: int = 1, blocks: int = 2, pooled: bool = False, last: bool = False
) -> Any:
    """A vision transformer as they are usually written: blocks with norms before attention and dense layers."""
    layers, width = keras.layers, 8

    class Tokens(layers.Layer):  # type: ignore[misc, name-defined]
        """Tokens of the model's own, of no image."""

        def call(self, tokens: Any) -> Any:
            return tokens[:, :extra] * 0 + 0.5

        def compute_output_shape(self, shape: Any) -> Any:
            return (shape[0], extra, shape[2])

    x = layers.Conv2D(width, patch, strides=patch, name="patches")(x)
    x = layers.Reshape((-1, width), name="tokens")(x)
    if extra:
        own = Tokens(name="class_token")(x)
        x = layers.Concatenate(axis=1, name="all_tokens")([x, own] if last else [own, x])
    for i in range(blocks):
        y = layers.LayerNormalization(name=f"norm{i}")(x)
        x = layers.Add(name=f"attended{i}")([x, layers.MultiHeadAttention(2, 4, name=f"attention{i}")(y, y)])
        y = layers.Dense(width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add(name=f"block{i}")([x, layers.Dense(width)(y)])
    x = layers.LayerNormalization(name="norm")(x)
    if pooled:
        return layers.GlobalAveragePooling1D()(x)
    return layers.Cropping1D((x.shape[1] - 1, 0) if last else (0, x.shape[1] - 1))(x)


def flat(body: Callable[..., Any], **how: Any) -> Callable[[Any, Any], Any]:
    def flattened(keras: Any, x: Any) -> Any:
        x = body(keras, x, **how)
        return keras.layers.Flatten()(x)

    return flattened


@KERAS
def test_tokens_are_a_map_with_the_grid_of_their_patches(package: str) -> None:
    """With a class token the map is that before the last attention: afterwards nobody reads the patches."""
    model = model_of(package, flat(transformer))
    engine = GradientEngine(model)
    [info] = [info for info in engine.candidates if info.default]
    assert (info.name, info.layout, info.height, info.width) == ("block0", "tokens after a class token", 4, 4)
    attribution = compute(engine, "gradcam", IMAGES, [0, 1], parameters={"relu": False})
    assert attribution.values.shape == (2, 4, 4)
    assert attribution.causes == ("", "")
    assert 'map of layer "block0", its tokens after a class token laid out as 4x4' in attribution.notes[0]
    assert engine.layer("convolution") == "patches"


@KERAS
def test_a_token_of_the_map_is_the_patch_at_its_place(package: str) -> None:
    """The tokens before all blocks are the patches, wherever the class token stands: so are their features."""
    for last in (False, True):
        engine = GradientEngine(model_of(package, flat(transformer, last=last)))
        np.testing.assert_array_equal(engine.features(IMAGES, "all_tokens"), engine.features(IMAGES, "patches"))


@KERAS
def test_where_all_tokens_are_pooled_the_map_is_the_last_one(package: str) -> None:
    engine = GradientEngine(model_of(package, lambda keras, x: transformer(keras, x, extra=0, pooled=True)))
    assert engine.layer("default") == "block1"
    assert compute(engine, "gradcam", IMAGES, [0, 1], parameters={"relu": False}).values.shape == (2, 4, 4)


@pytest.mark.parametrize(
    ("package", "how"), [("tf_keras", {"extra": 2}), ("keras", {"extra": 2}), ("keras", {"blocks": 1})]
)
def test_where_no_tokens_show_places_the_patch_embedding_is_not_taken_instead(package: str, how: Any) -> None:
    """Tokens that fit no grid, or a class token that reads the patches in the only block."""
    engine = GradientEngine(model_of(package, flat(transformer, **how)))
    with pytest.raises(
        ConfigError, match="mixes tokens by attention, and after the first one it has no map that shows"
    ):
        compute(engine, "gradcam", IMAGES)
    assert compute(engine, "gradcam", IMAGES, parameters={"layer": "patches"}).values.shape == (2, 4, 4)


def test_patches_that_a_layer_of_ones_own_cuts_are_laid_out_by_their_number() -> None:
    import keras
    from keras import layers

    class Patches(layers.Layer):
        def call(self, x: Any) -> Any:
            return keras.ops.reshape(keras.ops.image.extract_patches(x, 4), (-1, 16, 48))

    def body(keras: Any, x: Any) -> Any:
        x = layers.Dense(8, name="embedded")(Patches()(x))
        x = layers.Add(name="attended")([x, layers.MultiHeadAttention(2, 4)(x, x)])
        return layers.GlobalAveragePooling1D()(x)

    engine = GradientEngine(model_of("keras", body))
    assert engine.layer("default") == "attended"
    assert compute(engine, "layercam", IMAGES).values.shape == (2, 4, 4)


def test_a_mixer_has_token_maps_too() -> None:
    def body(keras: Any, x: Any) -> Any:
        layers = keras.layers
        x = layers.Reshape((16, 8))(layers.Conv2D(8, 4, strides=4, name="patches")(x))
        mixed = layers.Permute((2, 1))(layers.Dense(16)(layers.Permute((2, 1))(x)))
        return layers.GlobalAveragePooling1D()(layers.Add(name="mixed")([x, mixed]))

    assert chosen(model_of("tf_keras", body)) == ("mixed", "patches")


def test_an_attention_that_pools_the_map_of_convolutions_leaves_that_map_the_default() -> None:
    def body(keras: Any, x: Any) -> Any:
        layers = keras.layers
        x = layers.ReLU(name="act")(layers.Conv2D(4, 3, name="conv")(x))
        x = layers.Reshape((196, 4))(x)
        query = layers.Reshape((1, 4))(layers.GlobalAveragePooling1D()(x))
        return layers.Flatten()(layers.MultiHeadAttention(1, 4)(query, x))

    assert chosen(model_of("tf_keras", body)) == ("act", "conv")


def test_a_recurrent_reader_of_a_feature_map_leaves_the_convolution_the_default() -> None:
    def body(keras: Any, x: Any) -> Any:
        layers = keras.layers
        x = layers.ReLU(name="act")(layers.Conv2D(4, 3, name="conv")(x))
        return layers.GRU(4)(layers.Reshape((14, 56))(x))

    assert chosen(model_of("tf_keras", body)) == ("act", "conv")


def test_attention_between_convolutions_leaves_the_last_map_the_default() -> None:
    def body(keras: Any, x: Any) -> Any:
        layers = keras.layers
        x = layers.Reshape((256, 4))(layers.Conv2D(4, 3, padding="same")(x))
        x = layers.Reshape((16, 16, 4))(layers.Add()([x, layers.MultiHeadAttention(1, 4)(x, x)]))
        return layers.ReLU(name="act")(layers.Conv2D(4, 3, name="conv")(x))

    assert chosen(model_of("tf_keras", body)) == ("act", "conv")
