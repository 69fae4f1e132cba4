"""Maps of some images at the layers of benchmarks/cam_readings.py, and a value of each for each score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cam_readings import DEFAULT, ReadLayer
from device.preprocessing import preprocess
from harness.quality.agreement_metrics import agree
from harness.quality.controls import control_maps
from harness.quality.evaluation import evaluate_together
from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.saliency import Attribution, GradientEngine, compute_many
from harness.saliency.blank import ALL_NEGATIVE

Columns = dict[tuple[str, str], NDArray[np.float64]]  # (score, name of a map) -> (N,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """GradCAM of the predicted class at each layer, and Gradient, of N images.

    indices     (N,) of the images among all.
    layers      by name; of a layer with one pixel there is no map, since every one would be blank.
    before_relu at the default layer, (N, h, w).
    """

    indices: NDArray[np.int64]
    predicted: NDArray[np.int64]
    read: list[ReadLayer]
    layers: dict[str, Attribution]
    before_relu: NDArray[np.float32]
    gradient: Attribution

    @property
    def default(self) -> str:
        return next(layer.name for layer in self.read if DEFAULT in layer.readings)


def maps_of(
    engine: GradientEngine, model: Any, read: list[ReadLayer], pixels: NDArray[np.uint8], first: int = 0
) -> Maps:
    """Maps of images (N, H, W, C), the first of which is number `first` of all. `model` has the preprocessing."""
    indices = np.arange(first, first + len(pixels))
    names = [layer.name for layer in read if not layer.is_one_pixel]
    default = next(layer.name for layer in read if DEFAULT in layer.readings)
    jobs = [("gradcam", {"layer": name}) for name in names]
    jobs += [("gradcam", {"layer": default, "relu": False}), ("gradient", {})]
    inputs = preprocess(pixels, model.preprocessing)
    done = compute_many(engine, jobs, inputs, None, [str(index) for index in indices])
    return Maps(
        indices=indices,
        predicted=done[0].predicted,
        read=read,
        layers=dict(zip(names, done)),
        before_relu=done[-2].values,
        gradient=done[-1],
    )


def scores_of(
    engine: GradientEngine,
    model: Any,
    maps: Maps,
    pixels: NDArray[np.uint8],
    masks: NDArray[np.bool_] | None,
    drawn: NDArray[np.bool_],
) -> Columns:
    """Values (N,) by (score, map): NaN where a map is blank or no object marked, and of insertion but for `drawn`."""
    judge = FloatJudge(lambda images: engine.scores(preprocess(images, model.preprocessing)))
    keys = tuple(str(index) for index in maps.indices)
    inputs = MetricInputs(images=pixels, targets=maps.predicted, keys=keys, masks=masks, judge=judge)
    size, default = pixels.shape[1:3], maps.default
    shown = {name: attribution.maps(size) for name, attribution in maps.layers.items()}
    shown |= {
        "gradient": maps.gradient.maps(size),
        **{name: control_maps(name, inputs) for name in ("random", "centre")},
    }
    columns: Columns = {("sum", default): maps.before_relu.sum(axis=(1, 2), dtype=np.float64)}
    for name, attribution in maps.layers.items():
        columns["blank", name] = attribution.blank.astype(np.float64)
        columns["all negative", name] = np.array([cause == ALL_NEGATIVE for cause in attribution.causes], np.float64)
        columns["likeness", name] = agree("spearman", attribution.values, maps.layers[default].values).values
    for name, values in shown.items():
        columns["mass_in_object", name] = evaluate_together({"mass_in_object": {}}, values, inputs)[
            "mass_in_object"
        ].values
        columns["insertion_auc", name] = _insertion(values, inputs, drawn)
    return columns | _of_one_pixel(maps)


def _insertion(values: NDArray[np.float32], inputs: MetricInputs, drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    areas = np.full(len(values), np.nan)
    which = np.flatnonzero(drawn)
    if len(which):
        areas[which] = evaluate_together({"insertion_auc": {}}, values[which], inputs.take(which))[
            "insertion_auc"
        ].values
    return areas


def _of_one_pixel(maps: Maps) -> Columns:
    """A map of one pixel is the same everywhere."""
    nothing = np.full(len(maps.indices), np.nan)
    names = [layer.name for layer in maps.read if layer.is_one_pixel]
    scores: Mapping[str, NDArray[np.float64]] = {
        "blank": np.ones(len(nothing)),
        "all negative": np.zeros(len(nothing)),
        **dict.fromkeys(("likeness", "mass_in_object", "insertion_auc"), nothing),
    }
    return {(score, name): values for name in names for score, values in scores.items()}
