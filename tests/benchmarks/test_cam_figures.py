"""Blank maps where they must be and nowhere else, and scores on the images on which both maps show something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.cam_layers import INSERTION, MASS, OTHERS, measure, summary, table_of_maps, table_of_scores
from benchmarks.cam_maps import maps_of
from benchmarks.cam_networks import Network, places
from benchmarks.cam_readings import ReadLayer, read_layers
from device.preprocessing import preprocess
from harness.datasets.dataset_kinds import open_dataset
from harness.models.catalogue import Model, minus_one_to_one
from harness.saliency import GradientEngine

IMAGES, OFFSET = 12, 64.0  # a power of two: it is added and taken away nearly without rounding


def network(*, offset: float = 0.0, one_pixel: bool = False) -> Network:
    """Convolution, norm, ReLU, average, classes, of which the first is always the predicted one.

    offset  of each channel of the convolution, against the sign of its weight for that class; the norm takes it away.
    """
    import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    image = tf_keras.Input((64, 64, 3))
    convolution, norm = layers.Conv2D(8, 5, strides=8, name="conv"), layers.BatchNormalization(name="norm")
    x = layers.ReLU(name="act")(norm(convolution(image)))
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    classes = layers.Conv2D(4, 1, name="classes") if one_pixel else layers.Dense(4, name="classes")
    x = layers.Flatten()(x) if not one_pixel else x
    x = (
        layers.Flatten(name="logits")(classes(x))
        if one_pixel
        else layers.Activation("linear", name="logits")(classes(x))
    )
    model = tf_keras.Model(image, layers.Softmax()(x))
    weights = np.where(np.arange(8) % 2, -0.2, 1.0)
    kernel = np.zeros((8, 4), np.float32)
    kernel[:, 0] = weights
    classes.set_weights([kernel.reshape(classes.kernel.shape), np.array([20, 0, 0, 0], np.float32)])
    shift = -offset * np.sign(weights)
    convolution.bias.assign(shift)
    norm.moving_mean.assign(shift)
    record = Model(
        name="known", family="full-precision", preprocessing=minus_one_to_one(64), classes=4, weights="random"
    )
    dataset = open_dataset("planted", path=None, seed=0)
    return Network(name="known", model=record, keras_model=model, dataset=dataset, places=places(dataset, IMAGES))


def test_a_convolution_whose_norm_hides_an_offset_is_blank_on_all_images_and_the_map_after_it_on_none() -> None:
    plain, hidden = network(), network(offset=OFFSET)
    inputs = preprocess(plain.pictures(0, IMAGES)[0], plain.model.preprocessing)
    outputs = [each.keras_model.predict(inputs, verbose=0) for each in (plain, hidden)]
    np.testing.assert_allclose(*outputs, atol=1e-4, err_msg="they are the same classifier")
    blank = {
        name: {layer: found.blank for layer, found in measure(each, drawn=0).layers.items()}
        for name, each in (("plain", plain), ("hidden", hidden))
    }
    assert blank["hidden"] == {"conv": IMAGES, "norm": 0, "act": 0}
    assert blank["plain"]["conv"] < IMAGES


def test_every_map_of_one_pixel_is_blank_and_none_is_scored() -> None:
    found = measure(network(one_pixel=True), drawn=4)
    classes = found.layers["classes"]
    assert (classes.readings, classes.size, classes.blank) == (("tf-keras-vis",), (1, 1), IMAGES)
    assert classes.all_negative == 0, "it is blank whatever its sign"
    assert (classes.score[INSERTION], classes.scored[INSERTION], classes.likeness) == (None, 0, None)
    assert found.layers["act"].scored == {INSERTION: 4, MASS: IMAGES}
    for table in (table_of_maps, table_of_scores):
        assert "| known | `classes` | " in table({"known": found})


def test_before_its_relu_a_map_behind_which_there_is_an_average_adds_up_to_the_logit_less_its_bias() -> None:
    import tf_keras

    asked = network()
    model, (pixels, _) = asked.keras_model, asked.pictures(0, IMAGES)
    logits = tf_keras.Model(model.input, model.get_layer("logits").output)
    values = logits.predict(preprocess(pixels, asked.model.preprocessing), verbose=0)[:, 0]
    maps = maps_of(GradientEngine(model), asked.model, read_layers(model), pixels)
    np.testing.assert_allclose(maps.before_relu.sum(axis=(1, 2)), values - 20, rtol=1e-4, atol=1e-5)
    above = int((values > 20).sum())
    assert 0 < above < IMAGES, "the images tell the two apart"
    assert measure(asked, drawn=0).positive_sum == above


@pytest.fixture
def columns() -> dict[tuple[str, str], Any]:
    """Ten images: the convolution is blank on the first four, and scores 0.1 less than the default on the others."""
    default = np.linspace(0.1, 1.0, 10)
    blank = np.arange(10) < 4
    own = np.where(blank, np.nan, default - 0.1)
    values: dict[tuple[str, str], Any] = {("sum", "act"): np.linspace(-1, 8, 10)}
    for name, scores in (("conv", own), ("act", default)):
        values |= {("blank", name): np.isnan(scores).astype(float), ("all negative", name): np.isnan(scores) * 1.0}
        values |= {("likeness", name): scores - 0.75, (INSERTION, name): scores, (MASS, name): np.full(10, np.nan)}
    return values | {(score, name): default for name in OTHERS for score in (INSERTION, MASS)}


def test_a_score_and_its_difference_are_of_the_images_on_which_both_maps_show_something(columns: Any) -> None:
    layers = [
        ReadLayer(name="conv", readings=("convolution",), size=(8, 8), channels=4, behind=()),
        ReadLayer(name="act", readings=("bitlens",), size=(8, 8), channels=4, behind=()),
    ]
    found = summary(layers, columns, drawn=10)
    conv, act = found.layers["conv"], found.layers["act"]
    assert (conv.blank, conv.all_negative, act.blank, found.positive_sum) == (4, 4, 0, 8)
    assert conv.blank_fraction is not None
    assert conv.blank_fraction.low == pytest.approx(0.168, abs=1e-3)  # Wilson 1927
    assert conv.score[INSERTION].value == pytest.approx(0.65)  # of 0.4 to 0.9
    difference = conv.difference[INSERTION]
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert (conv.scored, act.scored[INSERTION]) == ({INSERTION: 6, MASS: 0}, 10)
    assert conv.reversed == 4  # 0.4 to 0.7
    assert found.ratio == pytest.approx(0.75 / 0.65, abs=1e-3)
