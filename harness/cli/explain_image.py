"""Explain one picture and score its maps, without a run: what `bitlens explain` does between options and text.

The maps are those of a run; so are the metrics, judged by the model itself. Nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.devices.client import hello
from harness.devices.device import Device
from harness.devices.known import THIS_HOST
from harness.models.catalogue import Model
from harness.models.exported import ExportedModel
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.flatbuffer_scorer import scorer_of_model
from harness.models.loading import load_model
from harness.quality.controls import control_maps
from harness.quality.evaluation import evaluate_together
from harness.quality.inputs import MetricInputs
from harness.quality.judges import FloatJudge
from harness.quality.precision_error import precision_error
from harness.saliency.api import compute_many
from harness.saliency.attribution import Attribution
from harness.saliency.engine.engine import GradientEngine
from harness.saliency.methods.method_table import METHODS
from harness.saliency.methods.scorer import FunctionScorer
from harness.saliency.precision import FLOAT32

Engine = GradientEngine | FunctionScorer
CountProgress = Callable[[str, int, int], None]  # (what takes long, how much of it is done, of how much)
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
    """One model, ready for pictures one after the other. Functions compiled for the first serve the others.

    A flatbuffer answers by itself what scores answer, on its device; its Keras file gives the gradients.
    """

    def __init__(
        self,
        model: Model,
        keras_model: Any,
        *,
        device: Device | None = None,
        precision: str = FLOAT32,
        on_progress: CountProgress | None = None,
    ) -> None:
        """device     where a flatbuffer is run; by default this host.
        precision  of methods of gradients; on the first picture, their maps are compared with those of float32.
        """
        self.model = model
        self._keras_model, self._engines = keras_model, dict[str, GradientEngine]()
        self.where = ""
        if isinstance(keras_model, FlatbufferModel):
            self.where = device.name if device else THIS_HOST["name"]
            threads = hello(device)["machine"]["cpus"] if device else None
            self.engine: Engine = scorer_of_model(keras_model, model.output, device=device, num_threads=threads)
        elif isinstance(keras_model, ExportedModel):
            self.engine = keras_model.scorer(model.output)
        else:
            self.engine = GradientEngine(keras_model, output=model.output)
        self._precision, self._compared = precision, precision == FLOAT32
        self._on_progress = on_progress
        self._judge = FloatJudge(self.probabilities)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, labels) for uint8 images (N, H, W, C) at the model's input size."""
        scores = self.engine.scores(preprocess(images, self.model.preprocessing))
        return scores if self.model.class_map is None else scores[:, list(self.model.class_map)]

    def _attributions(
        self, methods: Sequence[Method], image: NDArray[np.uint8], target: int, key: str, seed: int
    ) -> list[Attribution]:
        """In their order. Those by an engine share passes; those by scores take long, and are reported on."""
        done: dict[int, Attribution] = {}
        by_engine: dict[int, list[int]] = {}
        for i, method in enumerate(methods):
            model, engine = self._explainer(method)
            if isinstance(engine, GradientEngine):
                by_engine.setdefault(id(engine), []).append(i)
            else:
                scorer = replace(engine, on_progress=self._report(f"{method.label} of {key}"))
                done[i] = _computed(model, scorer, [method], image, target, key, seed)[0]
        for indices in by_engine.values():
            chosen = [methods[i] for i in indices]
            model, engine = self._explainer(chosen[0])
            done |= dict(zip(indices, _computed(model, engine, chosen, image, target, key, seed), strict=True))
        return [done[i] for i in range(len(methods))]

    def _explainer(self, method: Method) -> tuple[Model, Engine]:
        """Whom a method asks."""
        has_layers = self.model.keras is not None or isinstance(self.engine, GradientEngine)
        if not METHODS[method.name].takes_gradients or not has_layers:
            return self.model, self.engine
        return self.model.float_model, self._gradients(self._precision)

    def _gradients(self, precision: str) -> GradientEngine:
        """The engine of the Keras model, which a flatbuffer has beside it, in this precision."""
        if precision == FLOAT32 and isinstance(self.engine, GradientEngine):
            return self.engine
        if precision not in self._engines:
            output = self.model.float_model.output
            self._engines[precision] = GradientEngine(self._layers, output=output, precision=precision)
        return self._engines[precision]

    @cached_property
    def _layers(self) -> Any:
        """The Keras model, of a flatbuffer that of its Keras file."""
        return self._keras_model if self.model.keras is None else load_model(self.model.keras)

    def _report(self, what: str) -> Callable[[int, int], None] | None:
        return None if self._on_progress is None else partial(self._on_progress, what)

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
        attributions = self._attributions(methods, image, target, key, seed)
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
        if not self._compared:
            notes = self._precision_errors(methods, rows, image, target, key, seed)
            rows = [replace(row, notes=(*row.notes, *notes.get(row.label, ()))) for row in rows]
            self._compared = True
        scores = self._scores(np.stack([row.map for row in rows]), image, target, key, metrics, seed)
        return Explanation(
            probabilities=probabilities,
            target=target,
            maps=tuple(replace(row, scores=of_map) for row, of_map in zip(rows, scores, strict=True)),
            pseudo_gradient=any(attribution.pseudo_gradient for attribution in attributions),
        )

    def _precision_errors(
        self,
        methods: Sequence[Method],
        rows: Sequence[ScoredMap],
        image: NDArray[np.uint8],
        target: int,
        key: str,
        seed: int,
    ) -> dict[str, tuple[str]]:
        """By a method's label, what the precision did to its map."""
        chosen = [method for method in methods if METHODS[method.name].takes_gradients]
        model, engine = self.model.float_model, self._gradients(FLOAT32)
        exact = _computed(model, engine, chosen, image, target, key, seed)
        maps = {row.label: row.map[None] for row in rows}
        inputs = MetricInputs(images=image[None], targets=np.array([target]), keys=(key,), seed=seed, judge=self._judge)
        return {
            method.label: (
                precision_error(maps[method.label], attribution.maps(image.shape[:2]), inputs).sentence(
                    self._precision
                ),
            )
            for method, attribution in zip(chosen, exact, strict=True)
        }

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


def _computed(
    model: Model,
    engine: Engine,
    methods: Sequence[Method],
    image: NDArray[np.uint8],
    target: int,
    key: str,
    seed: int,
) -> list[Attribution]:
    """What methods say of an image's label `target`, in the classes of the model that is asked."""
    return compute_many(
        engine,
        [(method.name, method.parameters) for method in methods],
        preprocess(image[None], model.preprocessing),
        np.array([target if model.class_map is None else model.class_map[target]]),
        [key],
        seed=seed,
    )
