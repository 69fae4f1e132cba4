"""A blank map names its cause, image by image: every cause on a model that has it for a known reason."""

from __future__ import annotations

import numpy as np
import pytest

from harness.saliency import GradientEngine, compute
from tests import oracles

SIZE = (4, 6)
SHOWN = np.arange(1, 1 + np.prod(SIZE) * 2, dtype=np.float32).reshape(*SIZE, 2)  # positive, and no two values alike
FOR, AGAINST, NEITHER = 0, 1, 2  # classes that both features speak for, against, and not at all
WEIGHTS = np.array([[1.0, -1.0, 0.0], [2.0, -2.0, 0.0]], np.float32)  # channel x class
IMAGES = np.stack([SHOWN, SHOWN, np.zeros_like(SHOWN), SHOWN, np.ones_like(SHOWN)])
TARGETS = [FOR, AGAINST, FOR, NEITHER, FOR]


@pytest.fixture(scope="module")
def engine() -> GradientEngine:
    return GradientEngine(oracles.feature_model(2, WEIGHTS, size=SIZE))


@pytest.mark.parametrize(
    ("method", "against"),
    [
        ("gradcam", "all negative before the ReLU"),
        ("hirescam", "all negative before the ReLU"),
        ("layercam", "no positive gradient"),
        ("gradcam_plus_plus", "no positive gradient"),
    ],
)
def test_a_class_activation_map_names_its_cause_per_image(engine: GradientEngine, method: str, against: str) -> None:
    attribution = compute(engine, method, IMAGES, TARGETS, parameters={"layer": "features"})
    assert attribution.causes == ("", against, "zero features", "zero gradient", "constant")
    np.testing.assert_array_equal(attribution.blank, [False, True, True, True, True])
    assert f"blank: the map of 1 of 5 images: {against}" in attribution.notes


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_causes_are_in_the_order_of_the_images_for_any_batch_size(batch_size: int) -> None:
    engine = GradientEngine(oracles.feature_model(2, WEIGHTS, size=SIZE), batch_size=batch_size, threads=2)
    causes = compute(engine, "gradcam", IMAGES, TARGETS, parameters={"layer": "features"}).causes
    assert causes == ("", "all negative before the ReLU", "zero features", "zero gradient", "constant")


def test_without_the_relu_a_map_of_what_speaks_against_the_class_is_not_blank(engine: GradientEngine) -> None:
    attribution = compute(engine, "gradcam", IMAGES[1:2], [AGAINST], parameters={"layer": "features", "relu": False})
    assert attribution.causes == ("",)


def test_a_map_over_noisy_copies_has_the_cause_of_the_copies(engine: GradientEngine) -> None:
    parameters = {"base": "gradcam", "layer": "features", "samples": 3, "noise_level": 0.001}
    attribution = compute(engine, "smoothgrad", IMAGES[[0, 1, 3]], [FOR, AGAINST, NEITHER], parameters=parameters)
    assert attribution.causes == ("", "all negative before the ReLU", "zero gradient")


def test_a_variance_without_noise_is_constant_and_not_for_want_of_a_gradient(engine: GradientEngine) -> None:
    parameters = {"base": "gradcam", "layer": "features", "samples": 3, "noise_level": 0.0}
    attribution = compute(engine, "vargrad", IMAGES[[0, 3]], [FOR, NEITHER], parameters=parameters)
    assert attribution.causes == ("constant", "zero gradient")


def test_an_image_that_equals_its_baseline_says_so(engine: GradientEngine) -> None:
    for method, parameters in (("integrated_gradients", {}), ("occlusion", {"output": "logit"})):
        attribution = compute(engine, method, IMAGES[[0, 2, 3]], [FOR, FOR, NEITHER], parameters=parameters)
        last = "zero gradient" if method == "integrated_gradients" else "constant"
        assert attribution.causes == ("", "equals its baseline", last)


def test_a_gradient_that_is_zero_or_the_same_everywhere_says_so() -> None:
    flat = np.zeros((2, 2, 1, 3), np.float32)
    flat[..., 1] = 5
    flat[0, 0, 0, 2] = 1
    attribution = compute(GradientEngine(oracles.linear_model(flat)), "gradient", np.ones((3, 2, 2, 1)), [0, 1, 2])
    assert attribution.causes == ("zero gradient", "constant", "")


def test_a_map_of_one_pixel_says_so() -> None:
    model = oracles.relu_model(np.ones((3, 2)), np.zeros(2), np.array([[1, -1], [1, -1]]))  # any size
    attribution = compute(
        GradientEngine(model), "gradcam", np.ones((1, 1, 1, 3)), [0], parameters={"layer": "features"}
    )
    assert attribution.causes == ("1x1 map",)
