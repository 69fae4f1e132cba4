"""One method made ready to run on one engine, and its run: attributions, and why a blank one is blank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import MeasurementError
from harness.saliency.attribution import Array, Attribution, Backward, Images, Predict
from harness.saliency.blank import AT_BASELINE, CONSTANT, ZERO_GRADIENT, blank_causes, notes_on_blank_maps
from harness.saliency.engine.engine import GradientEngine
from harness.saliency.engine.layers import LayerInfo
from harness.saliency.methods.copies import baseline_of
from harness.saliency.methods.method_table import method_spec, parameters_of
from harness.saliency.methods.scorer import FunctionScorer
from harness.saliency.methods.spec import MethodSpec
from harness.saliency.precision import FLOAT32


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A method ready to run: on its own variant of the engine, with its target layer resolved."""

    name: str
    spec: MethodSpec
    engine: Any  # GradientEngine, or a Scorer if the method is content with one
    layer: str | None
    arguments: dict[str, Any]
    relu: bool = False  # negative values of the map are dropped
    base: Job | None = None  # the method that this one wraps

    def from_pass(self, backward: Backward) -> Array:
        """The values of a one-pass method before its ReLU."""
        return self.spec.function()(backward, **self.arguments)  # type: ignore[no-any-return]

    def from_engine(self, images: Images, base: Callable[[Images], Array] | None = None) -> Array:
        """The values of a method of many passes before its ReLU; `base` replaces what it wraps."""
        wrapped = {"base": base or self.base.from_images} if self.base else {}
        return self.spec.function()(self.engine, images, **wrapped, **self.arguments)  # type: ignore[no-any-return]

    def from_images(self, images: Images) -> Array:
        """The values of a one-pass method that another method wraps, for one batch."""
        return self.rectified(self.from_pass(_backward([self], images)))

    def rectified(self, values: Array) -> Array:
        return np.maximum(values, 0) if self.relu else values

    def causes(self, before_relu: Array, backward: Backward) -> tuple[str, ...]:
        """Why maps of a one-pass method are blank."""
        features, gradients = None, backward.input_gradient
        if self.layer is not None:
            features, gradients = backward.features[self.layer], backward.gradients[self.layer]
        return blank_causes(self.rectified(before_relu), before_relu, gradients=gradients, features=features)


def make_job(engine: GradientEngine, name: str, given: Mapping[str, Any]) -> Job:
    spec, arguments = method_spec(name), dict[str, Any](parameters_of(name, given))
    if "base" in arguments:
        return _wrapping_job(engine, name, arguments)
    variant = engine.variant(ste=arguments.pop("ste", "own"), relu=spec.relu)
    layer = None
    if "layer" in arguments:
        layer = arguments["layer"] = variant.layer(arguments["layer"])
    relu = arguments.pop("relu", False)
    return Job(name=name, spec=spec, engine=variant, layer=layer, arguments=arguments, relu=relu)


def make_forward_job(scorer: FunctionScorer, name: str, arguments: dict[str, Any]) -> Job:
    """A method of forward passes on what has no engine. `arguments` are all of the method's."""
    own = dict(arguments)
    layer = None
    if "layer" in own:
        layer = own["layer"] = scorer.layer(own["layer"])
    relu = own.pop("relu", False)
    return Job(name=name, spec=method_spec(name), engine=scorer, layer=layer, arguments=own, relu=relu)


def _wrapping_job(engine: GradientEngine, name: str, arguments: dict[str, Any]) -> Job:
    """A method over another one: the parameters that are not its own are its base's."""
    spec = method_spec(name)
    own = {parameter.name for parameter in spec.parameters}
    base = make_job(engine, arguments["base"], {key: value for key, value in arguments.items() if key not in own})
    mine = {key: value for key, value in arguments.items() if key in own - {"base"}}
    return Job(name=name, spec=spec, engine=base.engine, layer=base.layer, arguments=mine, base=base)


def sharing(jobs: Sequence[Job]) -> list[list[int]]:
    """Indices of the one-pass jobs, grouped by the engine they run on."""
    groups: dict[int, list[int]] = {}
    for i, job in enumerate(jobs):
        if job.spec.one_pass:
            groups.setdefault(id(job.engine), []).append(i)
    return list(groups.values())


def _backward(jobs: Sequence[Job], images: Images) -> Backward:
    """One pass that gives all that these jobs need."""
    engine: GradientEngine = jobs[0].engine
    return engine.backward(
        images.pixels,
        images.targets,
        layers=sorted({job.layer for job in jobs if job.layer}),
        input_gradient=any("input" in job.spec.needs for job in jobs),
    )


def in_one_pass(jobs: Sequence[Job], images: Images) -> list[Attribution]:
    """Batch by batch, so that feature maps are reduced before the next batch is computed."""

    def work(chunk: list[int]) -> tuple[NDArray[np.int64], list[tuple[Array, tuple[str, ...]]]]:
        backward = _backward(jobs, images.take(chunk))
        signed = [job.from_pass(backward) for job in jobs]
        made = [(job.rectified(values), job.causes(values, backward)) for job, values in zip(jobs, signed, strict=True)]
        return backward.logits.argmax(axis=1), made

    parts = [part for _, part in jobs[0].engine.map(range(len(images)), work)]
    predicted = np.concatenate([classes for classes, _ in parts])
    return [
        _attribution(
            job,
            np.concatenate([made[i][0] for _, made in parts]),
            tuple(cause for _, made in parts for cause in made[i][1]),
            lambda: predicted,
        )
        for i, job in enumerate(jobs)
    ]


def in_many_passes(job: Job, images: Images, predict: Predict) -> Attribution:
    before_relu = job.from_engine(images)
    values = job.rectified(before_relu)
    causes = list(blank_causes(values, before_relu))
    for i, cause in enumerate(causes):
        if cause and not values[i].any():
            causes[i] = _closer_cause(job, images.take([i])) or cause
    return _attribution(job, values, tuple(causes), predict)


def _closer_cause(job: Job, image: Images) -> str:
    """Why the map of one image is zero, from what the method was given; "" if that says nothing."""
    if job.base is not None:
        return _cause_over_copies(job, job.base, image)
    baseline = job.arguments.get("baseline")
    if baseline and np.array_equal(image.pixels, baseline_of(image.pixels, baseline)):
        return AT_BASELINE
    return ZERO_GRADIENT if job.spec.takes_gradients else ""


def _cause_over_copies(job: Job, base: Job, image: Images) -> str:
    """The most frequent cause among the copies; a variance is zero, too, where copies are alike and not blank."""
    causes: list[str] = []

    def watched(copies: Images) -> Array:
        backward = _backward([base], copies)
        before_relu = base.from_pass(backward)
        causes.extend(base.causes(before_relu, backward))
        return base.rectified(before_relu)

    job.from_engine(image, watched)
    return max(sorted(set(causes)), key=causes.count) if all(causes) else CONSTANT


def _attribution(job: Job, values: Array, causes: tuple[str, ...], predict: Predict) -> Attribution:
    if not np.isfinite(values).all():  # logits and gradients were finite: features, or products of them, are not
        place = f' of layer "{job.layer}"' if job.layer else ""
        raise MeasurementError(
            f"{job.name}: the map{place} holds NaN or infinite values",
            hint="check the weights and the preprocessing of the images",
        )
    return Attribution(
        values=np.ascontiguousarray(values, np.float32),
        channels=job.spec.channels,
        layer=job.layer,
        blank=np.array([bool(cause) for cause in causes]),
        causes=causes,
        predict=predict,
        pseudo_gradient=job.spec.takes_gradients and job.engine.pseudo_gradient,
        notes=_notes(job, causes),
        precision=_precision(job),
    )


def _notes(job: Job, causes: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader must know: where a map came from, and why a blank one shows nothing."""
    notes = [job.spec.caveat] if job.spec.caveat else []
    if job.spec.takes_gradients and job.engine.head.note:
        notes.append(job.engine.head.note)
    if _precision(job) != FLOAT32:
        notes.append(f"in {_precision(job)} where that is faster")
    if job.layer:
        notes.append(_note_on_layer(job.layer, job.engine.candidates))
    return (*notes, *notes_on_blank_maps(causes, job.arguments))


def _precision(job: Job) -> str:
    """What only has scores computes in its own, which nobody chose here."""
    return job.engine.precision if isinstance(job.engine, GradientEngine) else FLOAT32


def _note_on_layer(layer: str, candidates: Sequence[LayerInfo]) -> str:
    """Where a map was taken, and where else it could have been."""
    taken = next(info for info in candidates if info.name == layer)
    place = f'map of layer "{layer}"'
    if taken.layout != "map":
        place += f", its {taken.layout} laid out as {taken.height}x{taken.width}"
    readings = {"last activation": "default", "last convolution": "last_convolution"}
    named = (
        f'the {words}: "{info.name}"'
        for words, field in readings.items()
        for info in candidates
        if getattr(info, field) and info.name != layer
    )
    others = [info.name for info in candidates if info.convolution and info.name != layer and not info.last_convolution]
    return "; ".join([place, *named, f"other convolutions: {', '.join(others[:-4:-1]) or 'none'}"])
