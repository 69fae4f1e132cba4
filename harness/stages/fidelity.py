"""Fidelity stage: every artifact is compared with its Keras model on real images, on this host.

A flatbuffer of the user's own is compared with the Keras file or the other model that its experiment names. The
artifact runs whole, as it is deployed, and once more cut off before its softmax, so that logits are compared too: the
same file, with the same arithmetic up to there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from converters import FORMATS, TFLITE, FormatSpec
from converters.fidelity import Answers, Fidelity, compare, logits_of, relative_differences
from converters.schema import builtin_name
from device.flatbuffer import operators, prefix
from device.preprocessing import preprocess
from harness.devices.client import PredictResult, predict
from harness.errors import BitlensError
from harness.models.catalogue import Model
from harness.outputs import PROBABILITIES, ClassMap, probabilities
from harness.stages.context import (
    ImageSet,
    Progress,
    RunContext,
    as_fraction,
    class_map_of,
    device_of,
    output_of,
)
from harness.store.units import Outcome, Unit

IMAGES = 64
HEADS = ("SOFTMAX", "DEQUANTIZE", "QUANTIZE", "RESHAPE")  # what may follow the logits
OF_FLOATS, OF_SMALL_INTEGERS = "fp16", "int8"  # formats by which a flatbuffer of the user's own is judged


def plan(conversion: Unit, images: Unit) -> Unit:
    """The artifact with its Keras model."""
    return Unit(
        kind="fidelity",
        spec={"model": conversion.spec["model"], "format": conversion.spec["format"]},
        needs={"conversion": conversion.key, "images": images.key},
    )


def plan_with_reference(conversion: Unit, images: Unit, reference: Model, same: Unit, *, artifact: Unit | None) -> Unit:
    """A flatbuffer with another model; `same` are the images at that one's size.

    artifact  what makes the reference's artifact, where it is a flatbuffer too.
    """
    unit = plan(conversion, images)
    needs = {**unit.needs, "reference_images": same.key}
    needs |= {"reference_conversion": artifact.key} if artifact is not None else {}
    return Unit(kind=unit.kind, spec={**unit.spec, "reference": reference.spec()}, needs=needs)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, images = unit.spec, context.images(unit.needs["images"])
    conversion = context.result(unit.needs["conversion"]).result
    artifact, ran = _artifact_answers(spec, context.artifact(unit.needs["conversion"]), images, progress)
    fidelity = _compare(unit, artifact, context)
    status, reason = _judged(spec, fidelity, conversion)
    result = {**asdict(fidelity), "status": status, "reason": reason}
    return Outcome(result={**result, "runtime": ran.runtime, "runtime_version": ran.runtime_version})


def _judged(spec: Mapping[str, Any], fidelity: Fidelity, conversion: Mapping[str, Any]) -> tuple[str, str]:
    if conversion["mark"]:
        return "suspect", conversion["mark"]
    limits = _limits(spec, conversion)
    other = {"reference": f'model "{spec["reference"]["name"]}"'} if _is_another(spec) else {}
    return fidelity.verdict(suspect_below=limits.suspect_below, suspect_above=limits.suspect_above, **other)


def _is_another(spec: Mapping[str, Any]) -> bool:
    """Whether the reference is another model of the experiment, and not the Keras model of the same name."""
    return "reference" in spec and spec["reference"]["name"] != spec["model"]["name"]


def _limits(spec: Mapping[str, Any], conversion: Mapping[str, Any]) -> FormatSpec:
    """Of the artifact's format; of a flatbuffer of the user's own, of the format that it is most like."""
    if spec["format"] != TFLITE:
        return FORMATS[spec["format"]]
    return FORMATS[OF_SMALL_INTEGERS if conversion["contents"]["weight_bytes"].get("int8") else OF_FLOATS]


def _compare(unit: Unit, artifact: Answers, context: RunContext) -> Fidelity:
    """Near-ties take two more passes of the Keras model, and are looked for only where something differs visibly."""
    from converters.rounding import is_binarized, scores_with_zeros_rounded

    record = unit.spec.get("reference", unit.spec["model"])
    images = context.images(unit.needs.get("reference_images", unit.needs["images"]))
    if images.keys != context.images(unit.needs["images"]).keys:
        raise BitlensError("the images of the model and of its reference are not the same ones")
    if "reference_conversion" in unit.needs:
        path = context.artifact(unit.needs["reference_conversion"])
        reference, _ = _artifact_answers({"model": record}, path, images, lambda fraction: None)
        return compare(*_alike(reference, artifact))
    outputs = context.outputs(record["name"], images.pixels)
    reference = _reference(outputs, record, like=artifact)
    fidelity = compare(*_alike(reference, artifact))
    keras_model = context.keras_model(record["name"])
    limits = _limits(unit.spec, context.result(unit.needs["conversion"]).result)
    status, _ = fidelity.verdict(suspect_below=1.0, suspect_above=limits.suspect_above)
    if status == "ok" or not is_binarized(keras_model):
        return fidelity
    inputs = preprocess(images.pixels, record["preprocessing"])
    up, down = (
        _reference(outputs, record, like=reference) for outputs in scores_with_zeros_rounded(keras_model, inputs)
    )
    return compare(*_alike(reference, artifact), own_difference=relative_differences(up, down))


def _alike(reference: Answers, artifact: Answers) -> tuple[Answers, Answers]:
    """Both with logits, or neither: one of them may have none."""
    if (reference.logits is None) == (artifact.logits is None):
        return reference, artifact
    return Answers(scores=reference.scores), Answers(scores=artifact.scores)


def _artifact_answers(
    spec: Mapping[str, Any], path: Path, images: ImageSet, progress: Progress
) -> tuple[Answers, PredictResult]:
    head = output_of(spec), class_map_of(spec)
    whole = _predict(spec, path, images, lambda fraction: progress(fraction / 2))
    if output_of(spec) != PROBABILITIES:
        return _answers(whole.scores, *head), whole
    content = _before_softmax(path.read_bytes())
    scores = np.asarray(probabilities(whole.scores, *head))
    if content is None:
        return Answers(scores=scores), whole
    with tempfile.NamedTemporaryFile(prefix="bitlens-", suffix=".tflite") as file:
        file.write(content)
        file.flush()
        cut = _predict(spec, Path(file.name), images, lambda fraction: progress(0.5 + fraction / 2))
    return Answers(scores=scores, logits=_of_labels(cut.scores, class_map_of(spec))), whole


def _reference(outputs: Any, record: Mapping[str, Any], *, like: Answers) -> Answers:
    """What the Keras model says, with logits where the artifact has them."""
    kind, class_map = output_of({"model": record}), class_map_of({"model": record})
    if kind != PROBABILITIES:
        return _answers(outputs, kind, class_map)
    logits = _of_labels(logits_of(outputs), class_map) if like.logits is not None else None
    return Answers(scores=np.asarray(probabilities(outputs, kind, class_map)), logits=logits)


def _answers(outputs: Any, kind: str, class_map: ClassMap) -> Answers:
    """Probabilities, and the outputs themselves where they are logits, or logarithms of probabilities."""
    logits = np.concatenate([-outputs, outputs], axis=1) if kind == "logit" else outputs
    known = kind == "log-probabilities" or "logit" in kind
    scores = np.asarray(probabilities(outputs, kind, class_map), np.float32)
    return Answers(scores=scores, logits=_of_labels(logits, class_map) if known else None)


def _of_labels(values: Any, class_map: ClassMap) -> Any:
    return values if class_map is None else values[:, list(class_map)]


def _predict(spec: Mapping[str, Any], path: Path, images: ImageSet, progress: Progress) -> PredictResult:
    return predict(
        device_of(spec),
        path,
        images.pixels,
        preprocessing=spec["model"]["preprocessing"],
        on_progress=as_fraction(progress),
    )


def _before_softmax(content: bytes) -> bytes | None:
    """The artifact cut off before its softmax, or None when it does not end in one."""
    names = [operator.custom or builtin_name(operator.builtin) for operator in operators(content)]
    if "SOFTMAX" not in names:
        return None
    last = len(names) - 1 - names[::-1].index("SOFTMAX")
    if last == 0 or any(name not in HEADS for name in names[last:]):
        return None
    return prefix(content, last)
