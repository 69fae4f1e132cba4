"""Sanity checks: does the map depend on what the model has learnt? (Adebayo et al. 2018, arXiv:1810.03292.)

Weights are randomised from the classifier down, stage by stage, in one clone of the model; the caller's model stays as
it is. A weight's new values are its own trained ones in a random order: scales stay those of a working model. With
fresh initial values batch normalisation would no longer fit what it normalises, the inputs of a binarized model's
quantizers would leave the window of the straight-through estimator, and every gradient would vanish for that reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.keras_packages import keras_of
from harness.quality.agreement_metrics import agree
from harness.quality.inputs import Maps, Scores, Values
from harness.randomness import generator

if TYPE_CHECKING:
    from harness.saliency.engine.engine import GradientEngine

ExplainWith = Callable[["GradientEngine"], Maps]
STAGES = 8
BINS = 100  # of the histogram whose entropy is a map's complexity, as in the authors' code


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """How far the maps of ever more randomised models agree with the trained one's.

    stages    (S,) the lowest layer that was randomised by then, from the top down; the last stage has randomised all.
    spearman  (S,) scores of all images at each stage.    ssim  the same.
    """

    stages: tuple[str, ...]
    spearman: tuple[Scores, ...]
    ssim: tuple[Scores, ...]


def parameter_randomisation(
    model: Any, explain: ExplainWith, *, seed: int, output: str = "", stages: int = STAGES
) -> Cascade:
    """Agreement of each image's map with that of the model, randomised from the top in `stages` cumulative stages.

    model    a Keras or Larq model; it is not changed.
    explain  the maps (N, H, W) by the engine of any model of this shape: same images, targets and method.
    output   what the model's outputs are, see `GradientEngine`.
    """
    names, spearman, ssim = [], [], []
    engines = randomised(model, seed=seed, stages=stages, output=output)
    original = explain(next(engines)[1])
    for name, engine in engines:
        maps = explain(engine)
        names.append(name)
        spearman.append(agree("spearman", original, maps))
        ssim.append(agree("ssim", original, maps))
    return Cascade(stages=tuple(names), spearman=tuple(spearman), ssim=tuple(ssim))


def emprt(model: Any, explain: ExplainWith, *, seed: int, output: str = "") -> Scores:
    """Rise of each map's complexity from the trained to the wholly randomised model (Hedström et al. 2023).

    arXiv:2401.06465, their equation 5: (randomised - trained) / trained; a method that depends on the model rises.
    """
    engines = randomised(model, seed=seed, stages=1, output=output)
    trained, randomised_maps = (explain(engine) for _, engine in engines)
    before, after = histogram_entropy(trained), histogram_entropy(randomised_maps)
    usable = np.isfinite(before) & np.isfinite(after) & (before > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(usable, (after - before) / before, np.nan)
    reasons = tuple("" if fine else "a map is blank or holds NaN or infinite values" for fine in usable)
    return Scores(values=values, reasons=reasons)


def randomised(model: Any, *, seed: int, stages: int, output: str = "") -> Iterator[tuple[str, GradientEngine]]:
    """("", engine of a clone as trained), then (lowest randomised layer, the same engine) after each stage.

    One engine, whose weights change between the items: ask it before going on.
    """
    from harness.saliency.engine.engine import GradientEngine

    clone = keras_of(model).models.clone_model(model)
    clone.set_weights(model.get_weights())
    engine = GradientEngine(clone, output=output, fast=False)  # the plain graph reads its weights at every pass
    yield "", engine
    layers = [layer for layer in _layers_from_the_top(clone) if layer.weights]
    for part in np.array_split(np.arange(len(layers)), min(stages, len(layers))):
        for index in part:
            _shuffle(layers[index], seed=seed)
        yield layers[part[-1]].name, engine


def histogram_entropy(maps: Maps) -> Values:
    """(N,) entropy, in nats, of the histogram of each map's values; NaN for a blank map or one that is not finite."""
    return np.array([_histogram_entropy(saliency_map) for saliency_map in maps])


def _histogram_entropy(saliency_map: Maps) -> float:
    if not np.isfinite(saliency_map).all() or np.ptp(saliency_map) == 0:
        return np.nan
    counts: NDArray[np.int64] = np.histogram(saliency_map.astype(np.float64), bins=BINS)[0]
    fractions = counts[counts > 0] / saliency_map.size
    return float(-(fractions * np.log(fractions)).sum())


def _layers_from_the_top(model: Any) -> list[Any]:
    """Layers from the output to the input, those of nested models in their place."""
    layers: list[Any] = []
    for layer in reversed(model.layers):
        layers += _layers_from_the_top(layer) if hasattr(layer, "layers") else [layer]
    return layers


def _shuffle(layer: Any, *, seed: int) -> None:
    """Every weight of the layer, trained or counted, latent or not, in a random order, keyed by its place."""
    shuffled = []
    for index, values in enumerate(layer.get_weights()):
        rng = generator(seed, layer.name, index, purpose="randomised weights")
        shuffled.append(rng.permutation(values.ravel()).reshape(values.shape))
    layer.set_weights(shuffled)
