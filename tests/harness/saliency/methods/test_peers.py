"""tf-keras-vis and xplique agree with us where their conventions are pinned: raw values, same logits, same noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.randomness import gaussian
from harness.saliency import GradientEngine, compute
from tests.harness.saliency import paper_models

TARGETS = [7, 400]
KEYS = ["a", "b"]
NAMES = [
    name if name == "QuickNet" else pytest.param(name, marks=pytest.mark.slow)
    for name in ("QuickNet", "MobileNetV2", "ResNet50", "RealToBinaryNet")
]


@pytest.fixture(scope="module", params=NAMES)
def paper_model(request: pytest.FixtureRequest) -> tuple[Any, Any, np.ndarray]:
    """(model cut at its logits, model, images)."""
    model = paper_models.build(request.param)
    return paper_models.without_softmax(model), model, paper_models.images(2, name=request.param)


@pytest.fixture(scope="module", params=["plain", "fast"])
def case(request: pytest.FixtureRequest, paper_model: Any) -> tuple[Any, Any, np.ndarray, GradientEngine]:
    """(model cut at its logits, model, images, engine on the peers' own graph or on what users get)."""
    return *paper_model, GradientEngine(paper_model[1], fast=request.param == "fast")


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    """Within 1e-4 of the greatest value of each image: what is near zero is a difference of large numbers.

    The plain graph agrees to 1.5e-6, the fast one to 1e-5. RealToBinaryNet's GradCAM is 3e-5 from tf-keras-vis, which
    runs eagerly: a compiled forward pass whose activations nobody reads has batch norms fused.
    """
    for a, b in zip(actual, np.asarray(expected), strict=True):
        assert b.any(), "two blank maps agree about nothing"
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())


def targets_with_a_map(engine: GradientEngine, images: np.ndarray) -> list[int]:
    """For each image, a class whose GradCAM is not blank: with random weights, half of them are."""
    return [
        next(c for c in range(first, 1000) if not compute(engine, "gradcam", image[None], [c]).blank[0])
        for image, first in zip(images, TARGETS, strict=True)
    ]


def test_gradient_agrees_with_tf_keras_vis(case: Any) -> None:
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    logits, _, images, engine = case
    theirs = Saliency(logits, clone=False)(
        CategoricalScore(TARGETS), images, keepdims=True, normalize_map=False, gradient_modifier=None
    )
    assert_close(compute(engine, "gradient", images, TARGETS).values, theirs)


def test_gradient_agrees_with_xplique(case: Any) -> None:
    import tensorflow as tf
    from xplique.attributions import Saliency

    logits, _, images, engine = case
    theirs = Saliency(logits, reducer=None).explain(images, tf.one_hot(TARGETS, 1000))
    assert_close(np.abs(compute(engine, "gradient", images, TARGETS).values), theirs)


def test_smoothgrad_agrees_with_tf_keras_vis_on_the_same_noise(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    logits, _, images, engine = case
    spreads = np.array([np.float32(0.1 * np.ptp(image)) for image in images])[:, None, None, None]
    noise = np.stack([[gaussian(images.shape[1:], seed=3, image_key=key, sample=k) for key in KEYS] for k in range(4)])

    def same_noise(_: float, sigma: Any, shape: Any) -> np.ndarray:
        """To the bit, or a ReLU near zero might turn: their sigma is another one in its last bit."""
        np.testing.assert_allclose(np.broadcast_to(sigma, (4, *spreads.shape))[0], spreads, rtol=1e-6)
        return spreads * noise

    monkeypatch.setattr(np.random, "normal", same_noise)
    theirs = Saliency(logits, clone=False)(
        CategoricalScore(TARGETS),
        images,
        smooth_samples=4,
        smooth_noise=0.1,
        keepdims=True,
        normalize_map=False,
        gradient_modifier=None,
    )
    attribution = compute(
        engine, "smoothgrad", images, TARGETS, KEYS, seed=3, parameters={"samples": 4, "noise_level": 0.1}
    )
    assert_close(attribution.values, theirs)


def test_smoothgrad_agrees_with_xplique_on_the_same_noise(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf
    from xplique.attributions import SmoothGrad
    from xplique.attributions.gradient_statistics.gradient_statistic import GradientStatistic

    logits, _, images, engine = case

    def same_noise(inputs: Any, copies: int, _: float) -> Any:
        at = next(i for i, image in enumerate(images) if np.array_equal(image, inputs[0]))
        spread = 0.1 * np.ptp(images[at])
        return tf.stack(
            [
                images[at] + spread * gaussian(images.shape[1:], seed=3, image_key=KEYS[at], sample=k)
                for k in range(copies)
            ]
        )

    monkeypatch.setattr(GradientStatistic, "_perturb_samples", staticmethod(same_noise))
    theirs = SmoothGrad(logits, reducer=None, batch_size=4, nb_samples=4).explain(images, tf.one_hot(TARGETS, 1000))
    attribution = compute(
        engine, "smoothgrad", images, TARGETS, KEYS, seed=3, parameters={"samples": 4, "noise_level": 0.1}
    )
    assert_close(attribution.values, theirs)


def test_gradcam_agrees_with_tf_keras_vis(case: Any) -> None:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.utils.scores import CategoricalScore

    logits, _, images, engine = case
    targets = targets_with_a_map(engine, images)
    theirs = Gradcam(logits, clone=False)(
        CategoricalScore(targets),
        images,
        penultimate_layer=engine.layer("default"),
        expand_cam=False,
        seek_penultimate_conv_layer=False,
        normalize_cam=False,
    )
    assert_close(compute(engine, "gradcam", images, targets).values, theirs)


def test_gradcam_agrees_with_xplique(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf
    from xplique.attributions import GradCAM

    logits, _, images, engine = case
    monkeypatch.setattr(tf.image, "resize", lambda maps, *args, **kwargs: maps)  # theirs enlarges by bicubic
    explainer, targets = GradCAM(logits, conv_layer=engine.layer("default")), targets_with_a_map(engine, images)
    theirs = np.asarray(explainer.explain(images, tf.one_hot(targets, 1000)))[..., 0]
    assert_close(compute(engine, "gradcam", images, targets).values, theirs)


def test_gradcam_plus_plus_agrees_with_tf_keras_vis_up_to_its_factor(case: Any) -> None:
    """Theirs is multiplied by exp(logit) and its alphas are normalised, as in the authors' code."""
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.utils.scores import CategoricalScore

    logits, _, images, engine = case
    # Cubes of a random model's gradients may leave float32, and so may exp(logit): bring the logits to 1 for both.
    amplified = paper_models.scaled(logits, 1 / np.abs(engine.logits(images)).max())
    layer = engine.layer("default")
    theirs = GradcamPlusPlus(amplified, clone=False)(
        CategoricalScore(TARGETS),
        images,
        penultimate_layer=layer,
        expand_cam=False,
        seek_penultimate_conv_layer=False,
        normalize_cam=False,
    )
    ours = GradientEngine(amplified, fast=engine.setup.fast)
    attribution = compute(
        ours, "gradcam_plus_plus", images, TARGETS, parameters={"normalize_alpha": True, "layer": layer}
    )
    factors = np.exp(ours.logits(images)[np.arange(2), TARGETS])
    assert_close(attribution.values * factors[:, None, None], theirs)


@pytest.mark.slow
def test_tf_keras_vis_leaves_the_softmax_layer_of_real_to_binary_net_in() -> None:
    """A finding about the peer, kept so that we notice if it changes: its gradient there is the probability's."""
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    model, images = paper_models.build("RealToBinaryNet", size=64), paper_models.images(1, size=64)
    theirs = Saliency(model, model_modifier=ReplaceToLinear())(
        CategoricalScore(TARGETS[:1]), images, keepdims=True, normalize_map=False, gradient_modifier=None
    )
    ours = compute(GradientEngine(model), "gradient", images, TARGETS[:1]).values
    assert np.abs(theirs).max() < 0.1 * np.abs(ours).max()
