"""What callers of the library may ask: a class that is none, a number without end, are one sentence at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute, compute_forward, explain

IMAGES = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)


@pytest.fixture(scope="module")
def engine() -> GradientEngine:
    import tf_keras

    layers = tf_keras.layers
    image = layers.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(image))
    return GradientEngine(tf_keras.Model(image, layers.Dense(3, activation="softmax")(x)))


def scores(images: Any) -> Any:
    return np.ones((len(images), 3), np.float32) / 3


TARGETS = [
    [9999999999, 0],
    [10**30, 0],
    [3, 0],
    [-1, 0],
    [-(10**30), 0],
    [1.0, 0.0],
    [1.5, 0],
    [np.nan, 0],
    [True, False],
    ["0", "1"],
    [None, 0],
    [[0], [1]],
    [0, 1, 2],
    [0],
    [],
    0,
    "cat",
    [[0], [1, 2]],
    np.array([2**64 - 1, 0], np.uint64),
    np.array([0, 1], object),
]


@pytest.mark.parametrize("targets", TARGETS, ids=str)
def test_a_target_that_is_no_class_is_a_sentence(engine: GradientEngine, targets: Any) -> None:
    for ask in (
        lambda: explain(engine, IMAGES, targets=targets),
        lambda: explain(engine, IMAGES, "occlusion", targets=targets),
        lambda: compute(engine, "gradcam", IMAGES, targets),
        lambda: compute_forward(scores, "occlusion", IMAGES, targets),
    ):
        with pytest.raises(ConfigError, match="class") as caught:
            ask()
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("targets", [[2, 0], (2, 0), np.array([2, 0], np.uint8), np.array([2, 0], np.int32)])
def test_whole_numbers_of_any_kind_are_classes(engine: GradientEngine, targets: Any) -> None:
    np.testing.assert_array_equal(
        explain(engine, IMAGES, targets=targets), explain(engine, IMAGES, targets=np.array([2, 0], np.int64))
    )


@pytest.mark.parametrize("seed", [-1, 2**63, 10**30, 1.0, True, None, "0", np.nan])
def test_a_seed_is_a_whole_number(engine: GradientEngine, seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"^seed: expected an integer from 0 to"):
        explain(engine, IMAGES, "smoothgrad", seed=seed, samples=2)


@pytest.mark.parametrize(
    "images",
    ["cat", [["a"]], [[1], [1, 2]], None, np.zeros((2, 8, 8, 3), object), IMAGES + 1j, 3, [], IMAGES[0], IMAGES[:0]],
    ids=str,
)
def test_images_that_are_none_are_a_sentence(engine: GradientEngine, images: Any) -> None:
    with pytest.raises(ConfigError, match="images"):
        explain(engine, images)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("smoothgrad", {"samples": 10**12}),
        ("smoothgrad", {"samples": True}),
        ("smoothgrad", {"samples": 2.0}),
        ("smoothgrad", {"noise_level": float("inf")}),
        ("smoothgrad", {"noise_level": 10**400}),
        ("integrated_gradients", {"steps": 10**9}),
        ("rise", {"masks": 9999999999}),
        ("rise", {"cells": 10**6}),
        ("occlusion", {"window": -0.1}),
        ("occlusion", {"stride": 0.0}),
        ("scorecam", {"max_channels": 10**9}),
        ("gradcam", {"layer": "x" * 10**6}),
        ("gradcam", {"layer": 16**5000}),
    ],
)
def test_a_parameter_without_sense_is_a_sentence(engine: GradientEngine, method: str, parameters: Any) -> None:
    (name,) = parameters
    with pytest.raises(ConfigError, match=name) as caught:
        explain(engine, IMAGES, method, **parameters)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [0, -1, 10**9, 1.5, True, "4"])
@pytest.mark.parametrize("name", ["batch_size", "memory_budget_mib", "threads"])
def test_what_an_engine_is_given_is_a_whole_number_with_an_end(engine: GradientEngine, name: str, value: Any) -> None:
    import tf_keras

    with pytest.raises(ConfigError, match=rf"^{name}: expected an integer from 1 to"):
        GradientEngine(tf_keras.Sequential([tf_keras.layers.Input((8, 8, 3))]), **{name: value})
    if name == "batch_size":
        with pytest.raises(ConfigError, match=r"^batch_size: "):
            compute_forward(scores, "occlusion", IMAGES, batch_size=value)


def test_a_key_may_be_a_file_name_that_is_not_utf8(engine: GradientEngine) -> None:
    import os

    keys = [os.fsdecode(b"caf\xe9.png"), "b.png"]
    maps = explain(engine, IMAGES, "smoothgrad", image_keys=keys, samples=2)
    assert np.isfinite(maps).all()
