"""Explain one picture and score its maps, without a run: what `bitlens explain` does between options and text.

The maps are those of a run; so are the metrics, judged by the float model. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.models.catalogue import Model
from harness.models.exported import ExportedModel
from harness.quality.controls import control_maps
from harness.quality.evaluation import evaluate_together
from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.saliency.api import compute_many
from harness.saliency.engine.engine import GradientEngine
from harness.saliency.methods.scorer import FunctionScorer

CONTROLS = {"random": "control: random", "centre": "control: centre"}

Maps = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method with those of its parameters that differ from their defaults; `label` names both."""

    name: str
    parameters: Mapping[str, Any]

    @property
    def label(self) -> str:
        return " ".join([self.name, *(f"{key}={value}" for key, value in self.parameters.items())])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMap:
    """A method's map (H, W), or a control's, which has no method. A score is None where it is undefined."""

    label: str
    method: str | None
    map: Maps
    scores: Mapping[str, float | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a model says of one picture, and why: probabilities (classes,), the class explained, and scored maps."""

    probabilities: NDArray[np.float32]
    target: int
    maps: tuple[ScoredMap, ...]
    pseudo_gradient: bool

    @property
    def predicted(self) -> int:
        return int(self.probabilities.argmax())


class Explainer:
    """One model, ready for pictures one after the other. Functions compiled for the first serve the others."""

    def __init__(self, model: Model, keras_model: Any) -> None:
        self.model = model
        self.engine: GradientEngine | FunctionScorer = (
            keras_model.scorer(model.output)
            if isinstance(keras_model, ExportedModel)
            else GradientEngine(keras_model, output=model.output)
        )
        self._judge = FloatJudge(self.probabilities)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, classes) for uint8 images (N, H, W, C) at the model's input size."""
        return self.engine.scores(preprocess(images, self.model.preprocessing))

    def explain(
        self,
        image: NDArray[np.uint8],
        methods: Sequence[Method],
        *,
        key: str,
        target: int | None,
        metrics: Sequence[str],
        seed: int = 0,
    ) -> Explanation:
        """Explain an image (H, W, C) at the model's input size.

        key     names the image: noise depends on it and the seed.
        target  the class to explain; None is the predicted one.
        """
        probabilities = self.probabilities(image[None])[0]
        target = int(probabilities.argmax()) if target is None else target
        attributions = compute_many(
            self.engine,
            [(method.name, method.parameters) for method in methods],
            preprocess(image[None], self.model.preprocessing),
            np.array([target]),
            [key],
            seed=seed,
        )
        rows = [
            ScoredMap(
                label=method.label,
                method=method.name,
                map=attribution.maps(image.shape[:2])[0],
                notes=attribution.notes,
            )
            for method, attribution in zip(methods, attributions, strict=True)
        ]
        rows += self._controls(image, key, seed)
        scores = self._scores(np.stack([row.map for row in rows]), image, target, key, metrics, seed)
        return Explanation(
            probabilities=probabilities,
            target=target,
            maps=tuple(replace(row, scores=of_map) for row, of_map in zip(rows, scores, strict=True)),
            pseudo_gradient=any(attribution.pseudo_gradient for attribution in attributions),
        )

    def _controls(self, image: NDArray[np.uint8], key: str, seed: int) -> list[ScoredMap]:
        inputs = MetricInputs(images=image[None], targets=np.zeros(1, np.int64), keys=(key,), seed=seed)
        return [
            ScoredMap(label=label, method=None, map=control_maps(name, inputs)[0]) for name, label in CONTROLS.items()
        ]

    def _scores(
        self, maps: Maps, image: NDArray[np.uint8], target: int, key: str, metrics: Sequence[str], seed: int
    ) -> list[dict[str, float | None]]:
        """The scores of each map. All maps are judged together, so that the judge's batches are full."""
        count = len(maps)
        inputs = MetricInputs(
            images=np.broadcast_to(image, (count, *image.shape)),
            targets=np.full(count, target, np.int64),
            keys=(key,) * count,
            seed=seed,
            judge=self._judge,
        )
        by_metric = evaluate_together({name: {} for name in metrics}, maps, inputs)
        return [
            {
                name: None if np.isnan(scores.values[i]) else float(scores.values[i])
                for name, scores in by_metric.items()
            }
            for i in range(count)
        ]
