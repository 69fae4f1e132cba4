"""Against xplique where definitions agree, and against the published formulas of Quantus, written out here.

Differences from xplique 1.5.2, each pinned below so that it drops out:
deletion, insertion  its ties fall by NumPy's unstable sort, ours at random: maps have no ties.
mu_fidelity          its subsets are of random size and one set for all images; ours have one size and are keyed by
                     image: both take the same masks here. NaN correlations count as 0 there, and as undefined here.
avg_sensitivity      its noise is one-sided, in [0, radius], the same for all images, and the distance is not divided
                     by the map's norm: here the noise is ours, and the division is undone.
Quantus' max-sensitivity and Lipschitz estimate divide by the norm of the map and by the distance of the inputs, as ours
do; its sparseness is the Gini index and its complexity the Shannon entropy in nats, not divided by ln(pixels).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.quality.metrics.mu_fidelity import random_subsets
from harness.quality.metrics.robustness import _copy
from tests.harness.quality.known import random_maps

tf = pytest.importorskip("tensorflow")
metrics = pytest.importorskip("xplique.metrics")
SIZE, COUNT, CLASSES = 16, 3, 4


@pytest.fixture(scope="module")
def model() -> Any:
    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    classifier = tf.keras.Sequential(
        [
            layers.Conv2D(6, 3, activation="relu", input_shape=(SIZE, SIZE, 3)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    classifier.layers[-1].set_weights([3 * values for values in classifier.layers[-1].get_weights()])
    return classifier


def inputs_for(model: Any, **parameters: Any) -> MetricInputs:
    images = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3)).astype(np.uint8)
    return MetricInputs(
        images=images,
        targets=np.arange(COUNT),
        keys=("a", "b", "c"),
        dataset_mean=np.full(3, 51, np.uint8),
        judge=FloatJudge(lambda pixels: model(pixels.astype(np.float32) / 255).numpy()),
        parameters={"baseline": "dataset_mean", **parameters},
    )


def theirs(inputs: MetricInputs) -> tuple[Any, Any]:
    return inputs.images.astype(np.float32) / 255, np.eye(CLASSES, dtype=np.float32)[inputs.targets]


@pytest.mark.parametrize("steps", [1, 7, 16, 32])
@pytest.mark.parametrize(("name", "peer"), [("deletion_auc", "Deletion"), ("insertion_auc", "Insertion")])
def test_areas_are_those_of_xplique(model: Any, name: str, peer: str, steps: int) -> None:
    inputs, maps = inputs_for(model, steps=steps), random_maps(COUNT)
    expected = getattr(metrics, peer)(model, *theirs(inputs), steps=steps, baseline_mode=0.2).evaluate(maps)
    assert evaluate(name, maps, inputs).values.mean() == pytest.approx(expected, abs=1e-6)


def test_mu_fidelity_is_that_of_xplique_with_the_same_subsets(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, maps = inputs_for(model, cells=4, samples=50, subset=0.25), random_maps(COUNT)
    for i in range(COUNT):
        alone = inputs.take(np.array([i]))
        kept = 1 - random_subsets(alone, 0).astype(np.float32)[None, ..., None]
        peer = metrics.MuFidelity(model, *theirs(alone), grid_size=4, nb_samples=50, baseline_mode=0.2)

        def same_subsets(image: Any, count: int, kept: np.ndarray = kept) -> Any:
            changed = image[:, None] * kept + (1 - kept) * 0.2
            return tf.reshape(changed, (-1, SIZE, SIZE, 3)), tf.constant(kept)

        monkeypatch.setattr(peer, "_perturb_samples", same_subsets)
        expected = peer.evaluate(maps[i : i + 1])
        assert evaluate("mu_fidelity", maps[i : i + 1], alone).values[0] == pytest.approx(expected, abs=1e-3)


def grey_gradient(model: Any, pixels: Any, targets: Any) -> np.ndarray:
    """Gradient maps of float pixels in 0 … 1."""
    values = tf.constant(pixels, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(values)
        score = tf.reduce_sum(tf.gather(model(values), targets, batch_dims=1))
    return np.abs(tape.gradient(score, values).numpy()).max(axis=-1)


def test_avg_sensitivity_is_the_stability_of_xplique_with_the_same_noise(model: Any) -> None:
    inputs = inputs_for(model)
    samples, radius = 6, 0.04

    def explain(images: Any, targets: Any, keys: Any) -> np.ndarray:
        return grey_gradient(model, images / 255, targets)

    inputs = MetricInputs(
        images=inputs.images, targets=inputs.targets, keys=inputs.keys, explain=explain,
        parameters={"radius": radius, "samples": samples},
    )  # fmt: skip
    maps = explain(inputs.images, inputs.targets, inputs.keys)
    ours = evaluate("avg_sensitivity", maps, inputs).values
    for i in range(COUNT):
        alone = inputs.take(np.array([i]))
        peer = metrics.AverageStability(model, *theirs(alone), nb_samples=samples)
        copies = np.stack([_copy(alone, 0, sample, radius) for sample in range(samples)])
        peer.noisy_masks = copies.astype(np.float32) / 255 - theirs(alone)[0]
        expected = peer.evaluate(lambda x, y: grey_gradient(model, x, tf.argmax(y, axis=1)))
        assert ours[i] * np.linalg.norm(maps[i]) == pytest.approx(expected, rel=1e-4)


def test_sparseness_and_entropy_follow_the_formulas_of_quantus() -> None:
    maps = random_maps(COUNT)
    inputs = MetricInputs(
        images=np.zeros((COUNT, SIZE, SIZE, 3), np.uint8), targets=np.zeros(COUNT, int), keys=("a",) * 3
    )
    for i, saliency_map in enumerate(maps.astype(float)):
        values = np.sort(np.abs(saliency_map).ravel()) + 1e-7
        n = values.size
        gini = (np.sum((2 * np.arange(1, n + 1) - n - 1) * values)) / (n * np.sum(values))
        fractions = values / values.sum()
        entropy = -np.sum(fractions * np.log(fractions))
        assert evaluate("sparseness", maps, inputs).values[i] == pytest.approx(gini, abs=1e-5)
        assert evaluate("entropy", maps, inputs).values[i] * np.log(n) == pytest.approx(entropy, abs=1e-5)
