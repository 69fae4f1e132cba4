"""The readings of "the last layer" in models whose layers are known, and what tf-keras-vis takes by its own word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.cam_architectures import ADDS_UP, ALWAYS, CAN, blank_by_sign
from benchmarks.cam_readings import read_layers, toolkit_layer
from harness.saliency.engine.graph import read_graph

SHAPE = (16, 16, 3)


def model_of(body: Callable[[Any, Any], Any]) -> Any:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    image = tf_keras.Input(SHAPE)
    x = body(tf_keras.layers, image)
    if len(x.shape) == 4:
        x = tf_keras.layers.GlobalAveragePooling2D()(x)
    return tf_keras.Model(image, tf_keras.layers.Dense(4, activation="softmax")(x))


def norm_and_relu(layers: Any, x: Any) -> Any:
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, name="conv")(x))
    return layers.ReLU(name="act")(x)


def relu_inside(layers: Any, x: Any) -> Any:
    return layers.MaxPooling2D()(layers.Conv2D(4, 3, activation="relu", name="conv")(x))


def residual(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(4, 3, padding="same", name="first")(x)
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, padding="same", name="conv")(x))
    y = layers.PReLU(name="prelu")(y)
    return layers.Activation("relu", name="out")(layers.Add(name="sum")([x, y]))


def gated(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(4, 3, padding="same", name="first")(x)
    gate = layers.Reshape((1, 1, 4))(layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D()(x)))
    y = layers.Multiply(name="gate")([layers.Conv2D(4, 3, padding="same", name="conv")(x), gate])
    return layers.Add(name="sum")([x, layers.ReLU(name="relu")(y)])


def one_pixel_classifier(layers: Any, x: Any) -> Any:
    x = layers.GlobalAveragePooling2D(keepdims=True)(norm_and_relu(layers, x))
    return layers.Flatten()(layers.Conv2D(4, 1, name="classes")(x))


READ = [
    (norm_and_relu, {"conv": "convolution, tf-keras-vis", "norm": "after norm", "act": "after activation, bitlens"}),
    (relu_inside, {"conv": "convolution, after activation, bitlens, tf-keras-vis"}),
    (
        residual,
        {
            "conv": "convolution, tf-keras-vis",
            "norm": "after norm",
            "prelu": "after activation",
            "sum": "after sum",
            "out": "bitlens",
        },
    ),
    (gated, {"conv": "convolution, tf-keras-vis", "relu": "after activation", "sum": "after sum, bitlens"}),
    (
        one_pixel_classifier,
        {"conv": "convolution", "norm": "after norm", "act": "after activation, bitlens", "classes": "tf-keras-vis"},
    ),
]


@pytest.mark.parametrize(("body", "expected"), READ, ids=[body.__name__ for body, _ in READ])
def test_each_reading_is_found_and_readings_of_one_layer_are_one_entry(
    body: Callable[[Any, Any], Any], expected: dict[str, str]
) -> None:
    assert {layer.name: ", ".join(layer.readings) for layer in read_layers(model_of(body))} == expected


def test_what_lies_between_a_layer_and_the_pooling_is_told_in_its_order() -> None:
    behind = {layer.name: layer.behind for layer in read_layers(model_of(residual))}
    assert behind["conv"] == ("BatchNormalization", "PReLU", "sum", "relu")
    assert (behind["sum"], behind["out"]) == (("relu",), ())


def test_the_layer_of_tf_keras_vis_is_the_one_that_its_gradcam_takes() -> None:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    image = np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    for body, layer in ((residual, "conv"), (one_pixel_classifier, "classes")):
        model = model_of(body)
        assert toolkit_layer(model) == layer
        with pytest.raises(ValueError, match="Unable to determine penultimate"):
            Gradcam(model)(CategoricalScore([1]), image)  # it looks for convolutions of Keras 3
    shown = Gradcam(model)(CategoricalScore([1]), image, penultimate_layer=layer, seek_penultimate_conv_layer=False)
    assert np.ptp(shown) == 0, "a map of one pixel is enlarged to one colour"


def test_a_map_can_be_blank_unless_the_logits_see_only_its_average() -> None:
    def told(body: Callable[[Any, Any], Any]) -> dict[str, str]:
        model = model_of(body)
        return {layer.name: blank_by_sign(read_graph(model), layer) for layer in read_layers(model)}

    assert told(residual) == {"conv": CAN, "norm": CAN, "prelu": CAN, "sum": CAN, "out": ADDS_UP}
    assert told(gated) == {"conv": CAN, "relu": CAN, "sum": ADDS_UP}
    assert told(one_pixel_classifier) == {"conv": CAN, "norm": CAN, "act": ADDS_UP, "classes": ALWAYS}
    assert told(relu_inside) == {"conv": CAN}
