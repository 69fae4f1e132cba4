"""Occlusion and RISE of anything that gives scores: a model of NumPy alone, known by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from harness.errors import ConfigError, MeasurementError
from harness.saliency import GradientEngine, compute, compute_forward
from tests import oracles

WEIGHTS = np.random.default_rng(0).normal(size=(8, 6, 2, 3)).astype(np.float32) / 8
IMAGES = np.random.default_rng(1).normal(size=(5, 8, 6, 2)).astype(np.float32)
KEYS = list("abcde")


def scores(images: np.ndarray) -> np.ndarray:
    """The softmax of a linear model."""
    powers = np.exp(np.einsum("nhwc,hwck->nk", images, WEIGHTS))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("method", "parameters"), [("occlusion", {}), ("rise", {"masks": 30})])
def test_a_function_gives_the_maps_of_the_model_with_the_same_scores(method: str, parameters: dict[str, int]) -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS, head="softmax"))
    expected = compute(engine, method, IMAGES, None, KEYS, seed=3, parameters=parameters)
    attribution = compute_forward(scores, method, IMAGES, None, KEYS, seed=3, parameters=parameters)
    np.testing.assert_allclose(attribution.values, expected.values, atol=1e-5)
    np.testing.assert_array_equal(attribution.predicted, expected.predicted)
    assert not attribution.pseudo_gradient
    assert attribution.layer is None
    assert attribution.causes == ("",) * 5


def test_occlusion_is_the_fall_of_the_score_by_hand() -> None:
    image = IMAGES[:1]
    parameters = {"window": 0.5, "stride": 0.5}  # 3 x 3 windows that meet without overlap from column 0 and row 0
    attribution = compute_forward(scores, "occlusion", image, [1], parameters=parameters).values[0]
    covered = image.copy()
    covered[:, 0:3, 3:6] = 0
    assert attribution[1, 4] == pytest.approx(scores(image)[0, 1] - scores(covered)[0, 1], abs=1e-6)


def test_no_call_gets_more_images_than_a_batch_and_maps_do_not_depend_on_it() -> None:
    sizes: list[int] = []

    def counted(images: np.ndarray) -> np.ndarray:
        assert images.dtype == np.float32
        sizes.append(len(images))
        return scores(images)

    whole = compute_forward(scores, "rise", IMAGES, [0, 1, 2, 0, 1], KEYS, parameters={"masks": 9}).values
    order = [4, 0, 2]
    attribution = compute_forward(
        counted, "rise", IMAGES[order], [1, 0, 2], ["e", "a", "c"], parameters={"masks": 9}, batch_size=4
    )
    np.testing.assert_allclose(attribution.values, whole[order], atol=1e-6)
    assert max(sizes) == 4
    assert sum(sizes) == 3 + 3 * 9, "each image once for the prediction, and once per mask"


def test_it_needs_no_tensorflow() -> None:
    code = (
        "import sys, numpy as np; from harness.saliency import compute_forward; "
        "compute_forward(lambda x: np.ones((len(x), 2)), 'occlusion', np.ones((1, 8, 8, 3))); "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_scores_that_never_change_give_a_map_that_is_blank_for_a_reason() -> None:
    attribution = compute_forward(lambda x: np.tile([[0.2, 0.8]], (len(x), 1)), "occlusion", IMAGES)
    assert attribution.causes == ("constant",) * 5
    assert 'blank: the map of 5 of 5 images: constant, perhaps since the score is saturated: try output = "logit"' in (
        attribution.notes
    )


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "scorecam"])
def test_a_method_that_needs_more_than_scores_says_which_do_not(method: str) -> None:
    with pytest.raises(ConfigError, match="needs more of a model than its scores\n  try: occlusion, rise"):
        compute_forward(scores, method, IMAGES)


def test_wrong_images_targets_outputs_and_scores_say_what_was_expected() -> None:
    with pytest.raises(ConfigError, match=r"expected an array \(N, H, W, C\), got one of shape \(8, 6, 2\)"):
        compute_forward(scores, "occlusion", IMAGES[0])
    with pytest.raises(ConfigError, match="expected classes from 0 to 2"):
        compute_forward(scores, "occlusion", IMAGES, [0, 1, 2, 3, 0])
    with pytest.raises(ConfigError, match="scores, not logits"):
        compute_forward(scores, "occlusion", IMAGES, parameters={"output": "logit"})
    with pytest.raises(MeasurementError, match=r"expected scores of shape \(5, classes\), got \(3,\)"):
        compute_forward(lambda x: np.ones(3), "occlusion", IMAGES)
    with pytest.raises(MeasurementError, match="NaN or infinite"):
        compute_forward(lambda x: np.full((len(x), 3), np.nan), "occlusion", IMAGES)
