"""Methods over many copies: keyed noise, exact reductions, and what forward-only methods see."""

from __future__ import annotations

import numpy as np
import pytest

from harness.randomness import gaussian
from harness.saliency import GradientEngine, compute, parameters_of
from harness.saliency.methods.method_table import ONE_PASS_BASES
from tests import oracles

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 6, 5, 2)).astype(np.float32)
KERNEL, BIAS, READOUT = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((2, 6), (6,), (6, 3)))
TARGETS, KEYS = [2, 0, 1], ["cat", "dog", "owl"]


@pytest.fixture(scope="module")
def engine() -> GradientEngine:
    return GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT))


def expected_copies(i: int, *, samples: int, noise_level: float, seed: int) -> np.ndarray:
    """Gradients of the noisy copies of image i, by hand from the same keyed noise."""
    spread = np.float32(noise_level * (IMAGES[i].max() - IMAGES[i].min()))
    return np.stack(
        [
            oracles.relu_model_gradient(
                IMAGES[i] + spread * gaussian(IMAGES[i].shape, seed=seed, image_key=KEYS[i], sample=sample),
                KERNEL,
                BIAS,
                READOUT,
                TARGETS[i],
            )
            for sample in range(samples)
        ]
    )


@pytest.mark.parametrize(
    ("method", "reduce"),
    [
        ("smoothgrad", lambda copies: copies.mean(axis=0)),
        ("smoothgrad_squared", lambda copies: np.square(copies).mean(axis=0)),
        ("vargrad", lambda copies: copies.var(axis=0)),
    ],
)
def test_a_noisy_method_equals_the_hand_calculation_over_the_same_noise(engine, method, reduce) -> None:
    attribution = compute(engine, method, IMAGES, TARGETS, KEYS, seed=7, parameters={"samples": 11, "noise_level": 0.3})
    for i in range(3):
        expected = reduce(expected_copies(i, samples=11, noise_level=0.3, seed=7))
        np.testing.assert_allclose(attribution.values[i], expected, rtol=1e-4, atol=1e-5)


def test_smoothgrad_with_zero_noise_equals_gradient(engine) -> None:
    smooth = compute(engine, "smoothgrad", IMAGES, TARGETS, parameters={"noise_level": 0, "samples": 3})
    np.testing.assert_allclose(smooth.values, compute(engine, "gradient", IMAGES, TARGETS).values, rtol=1e-6)


@pytest.mark.parametrize("base", ONE_PASS_BASES)
def test_noisy_methods_wrap_any_base_method(engine, base) -> None:
    """Without noise, the mean over the copies is the base method, and the mean square is its square."""
    own = {"layer": "features", "relu": False} if "layer" in parameters_of(base, {}) else {}
    if "relu" not in parameters_of(base, {}):
        own.pop("relu", None)
    noisy = {"base": base, "noise_level": 0, "samples": 2, **own}
    smooth, squared, variance = (
        compute(engine, method, IMAGES, TARGETS, parameters=noisy)
        for method in ("smoothgrad", "smoothgrad_squared", "vargrad")
    )
    plain = compute(engine, base, IMAGES, TARGETS, parameters=own)
    assert np.abs(plain.values).max() > 0
    np.testing.assert_allclose(smooth.values, plain.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(squared.values, np.square(plain.values), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance.values, 0, atol=1e-6)
    assert smooth.layer == plain.layer


def test_an_image_of_one_grey_has_no_range_and_its_copies_no_noise(engine) -> None:
    grey = np.full((1, 6, 5, 2), 0.5, np.float32)
    noisy = compute(engine, "smoothgrad", grey, [1], parameters={"samples": 3, "noise_level": 0.5})
    np.testing.assert_allclose(noisy.values, compute(engine, "gradient", grey, [1]).values, rtol=1e-6)


@pytest.mark.parametrize("method", ["smoothgrad", "vargrad", "rise"])
def test_maps_do_not_depend_on_batch_size_order_or_threads(engine, method) -> None:
    parameters = {"masks": 20} if method == "rise" else {"samples": 9, "noise_level": 0.2}
    model = oracles.relu_model(KERNEL, BIAS, READOUT)
    whole = compute(engine, method, IMAGES, TARGETS, KEYS, parameters=parameters).values
    order = [2, 0, 1]
    for batch_size, threads in ((1, 1), (4, 2), (16, 3)):
        other = GradientEngine(model, batch_size=batch_size, threads=threads)
        turned = compute(
            other, method, IMAGES[order], [TARGETS[i] for i in order], [KEYS[i] for i in order], parameters=parameters
        ).values
        np.testing.assert_allclose(turned, whole[order], rtol=1e-5, atol=1e-6)
    alone = compute(engine, method, IMAGES[1:2], TARGETS[1:2], KEYS[1:2], parameters=parameters).values
    np.testing.assert_allclose(alone[0], whole[1], rtol=1e-5, atol=1e-6)


def test_noise_depends_on_seed_key_and_sample_alone() -> None:
    def draw(**key) -> np.ndarray:
        return gaussian((4, 4, 3), **{"seed": 0, "image_key": "cat", "sample": 0, **key})

    np.testing.assert_array_equal(draw(), draw())
    for other in ({"seed": 1}, {"image_key": "dog"}, {"sample": 1}):
        assert abs(oracles.correlation(draw(), draw(**other))) < 0.5
    # Pinned: the stream is part of every stored map's meaning.
    np.testing.assert_allclose(draw()[0, 0], PINNED, rtol=1e-6)


PINNED = [0.12985429167747498, -0.9777050614356995, -0.1697138100862503]


def test_noise_is_standard_normal() -> None:
    values = gaussian((200, 200, 3), seed=3, image_key="x", sample=5)
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01


def test_occlusion_of_a_linear_model_is_the_share_of_the_covered_windows() -> None:
    weights = np.zeros((4, 4, 1, 2), np.float32)
    weights[1, 2, 0, 1] = 3
    engine = GradientEngine(oracles.linear_model(weights))
    image = np.full((1, 4, 4, 1), 2, np.float32)
    attribution = compute(
        engine, "occlusion", image, [1], parameters={"window": 0.25, "stride": 0.25, "output": "logit"}
    )
    expected = np.zeros((4, 4))
    expected[1, 2] = 6
    np.testing.assert_allclose(attribution.values[0], expected, atol=1e-6)


def test_rise_finds_the_only_pixel_that_matters() -> None:
    weights = np.zeros((14, 14, 1, 2), np.float32)
    weights[3, 10, 0, 1] = 5
    engine = GradientEngine(oracles.linear_model(weights, head="dense"))
    attribution = compute(engine, "rise", np.ones((1, 14, 14, 1)), [1], parameters={"masks": 2000}).values[0]
    y, x = np.unravel_index(attribution.argmax(), attribution.shape)
    assert max(abs(y - 3), abs(x - 10)) <= 1


def test_rise_that_keeps_everything_is_the_score_everywhere(engine) -> None:
    attribution = compute(engine, "rise", IMAGES, TARGETS, parameters={"masks": 5, "keep": 1.0, "output": "logit"})
    expected = engine.logits(IMAGES)[np.arange(3), TARGETS]
    np.testing.assert_allclose(attribution.values, np.broadcast_to(expected[:, None, None], (3, 6, 5)), rtol=1e-5)


@pytest.mark.parametrize("keep", [0.25, 0.75])
def test_rise_of_a_score_that_never_changes_is_the_score_whatever_fraction_is_kept(keep) -> None:
    engine = GradientEngine(oracles.linear_model(np.zeros((6, 5, 2, 3)), np.array([1.0, 2.0, 3.0])), output="logits")
    attribution = compute(engine, "rise", IMAGES[:1], [1], parameters={"masks": 3000, "keep": keep, "output": "logit"})
    np.testing.assert_allclose(attribution.values, 2, rtol=0.15)  # a mean of random masks


def test_scorecam_follows_its_formula() -> None:
    """Features are the image's own channels and as large as it, so that masks need no enlarging."""
    weights = np.array([[3.0, -1.0], [-2.0, 4.0]], np.float32)
    images = IMAGES[:2]
    engine = GradientEngine(oracles.feature_model(2, weights, size=(6, 5)))
    attribution = compute(engine, "scorecam", images, [0, 1], parameters={"layer": "features", "relu": False}).values
    for image, target, values in zip(images, (0, 1), attribution, strict=True):
        masks = np.moveaxis(image, -1, 0)
        masks = [(mask - mask.min()) / np.ptp(mask) for mask in masks]
        scores = np.array([(image * mask[..., None]).mean(axis=(0, 1)) @ weights[:, target] for mask in masks])
        fractions = np.exp(scores) / np.exp(scores).sum()
        np.testing.assert_allclose(values, image @ fractions, rtol=1e-4, atol=1e-5)


def test_scorecam_weights_the_channel_that_raises_the_logit() -> None:
    engine = GradientEngine(oracles.feature_model(2, np.array([[40.0, 0], [0, 40.0]]), size=(4, 4)))
    image = np.zeros((1, 4, 4, 2), np.float32)
    image[0, 0, 0, 0] = image[0, 3, 3, 1] = 8
    attribution = compute(engine, "scorecam", image, [1], parameters={"layer": "features"}).values[0]
    assert attribution.argmax() == 15
    one = compute(engine, "scorecam", image, [1], parameters={"layer": "features", "max_channels": 1})
    assert one.values.shape == (1, 4, 4)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_thousand_samples_need_no_more_memory_than_ten(threads: int) -> None:
    import tracemalloc

    engine = GradientEngine(oracles.relu_model(KERNEL, BIAS, READOUT), threads=threads)
    images = RANDOM.normal(size=(2, 40, 40, 2)).astype(np.float32)

    def peak_bytes(samples: int) -> int:
        tracemalloc.start()
        compute(engine, "smoothgrad", images, [0, 1], parameters={"samples": samples, "noise_level": 0.1})
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(10)  # traced and compiled here
    more = 990 * images.nbytes  # what the other 990 copies of each image would take
    assert peak_bytes(1000) - peak_bytes(10) < 0.05 * more
