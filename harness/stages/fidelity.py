"""Fidelity stage: every artifact is compared with its Keras model on real images, on this host.

The artifact runs whole, as it is deployed, and once more cut off before its softmax, so that logits are compared too:
the same file, with the same arithmetic up to there.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from converters import FORMATS
from converters.fidelity import Answers, Fidelity, compare, logits_of, relative_differences
from device.flatbuffer import operators, prefix
from device.preprocessing import preprocess
from harness.devices.client import PredictResult, predict
from harness.outputs import PROBABILITIES, probabilities
from harness.stages.context import ImageSet, Progress, RunContext, as_fraction, device_of, output_of
from harness.store.units import Outcome, Unit

IMAGES = 64
HEADS = ("SOFTMAX", "DEQUANTIZE", "QUANTIZE", "RESHAPE")  # what may follow the logits


def plan(conversion: Unit, images: Unit) -> Unit:
    return Unit(
        kind="fidelity",
        spec={"model": conversion.spec["model"], "format": conversion.spec["format"]},
        needs={"conversion": conversion.key, "images": images.key},
    )


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, images = unit.spec, context.images(unit.needs["images"])
    conversion = context.result(unit.needs["conversion"]).result
    artifact, ran = _artifact_answers(spec, context.artifact(unit.needs["conversion"]), images, context, progress)
    outputs = context.outputs(spec["model"]["name"], images.pixels)
    reference = _reference(outputs, output_of(spec), like=artifact)
    fidelity = _compare(spec, reference, artifact, images, context)
    status, reason = _judged(spec["format"], fidelity, restriction=conversion["mark"])
    result = {**asdict(fidelity), "status": status, "reason": reason}
    return Outcome(result={**result, "runtime": ran.runtime, "runtime_version": ran.runtime_version})


def _judged(format_name: str, fidelity: Fidelity, *, restriction: str) -> tuple[str, str]:
    if restriction:
        return "suspect", restriction
    limits = FORMATS[format_name]
    return fidelity.verdict(suspect_below=limits.suspect_below, suspect_above=limits.suspect_above)


def _compare(
    spec: dict[str, Any], reference: Answers, artifact: Answers, images: ImageSet, context: RunContext
) -> Fidelity:
    """Near-ties take two more passes of the Keras model, and are looked for only where something differs visibly."""
    from converters.rounding import is_binarized, scores_with_zeros_rounded

    fidelity = compare(reference, artifact)
    keras_model = context.keras_model(spec["model"]["name"])
    limits = FORMATS[spec["format"]]
    status, _ = fidelity.verdict(suspect_below=1.0, suspect_above=limits.suspect_above)
    if status == "ok" or not is_binarized(keras_model):
        return fidelity
    inputs = preprocess(images.pixels, spec["model"]["preprocessing"])
    up, down = (
        _reference(outputs, output_of(spec), like=reference)
        for outputs in scores_with_zeros_rounded(keras_model, inputs)
    )
    return compare(reference, artifact, own_difference=relative_differences(up, down))


def _artifact_answers(
    spec: dict[str, Any], path: Path, images: ImageSet, context: RunContext, progress: Progress
) -> tuple[Answers, PredictResult]:
    whole = _predict(spec, path, images, lambda fraction: progress(fraction / 2))
    if output_of(spec) != PROBABILITIES:
        return _answers(whole.scores, output_of(spec)), whole
    content = _before_softmax(path.read_bytes())
    if content is None:
        return Answers(scores=whole.scores), whole
    with tempfile.NamedTemporaryFile(prefix="bitlens-", suffix=".tflite") as file:
        file.write(content)
        file.flush()
        cut = _predict(spec, Path(file.name), images, lambda fraction: progress(0.5 + fraction / 2))
    return Answers(scores=whole.scores, logits=cut.scores), whole


def _reference(outputs: Any, kind: str, *, like: Answers) -> Answers:
    """What the Keras model says, with logits where the artifact has them."""
    if kind != PROBABILITIES:
        return _answers(outputs, kind)
    return Answers(scores=outputs, logits=logits_of(outputs) if like.logits is not None else None)


def _answers(outputs: Any, kind: str) -> Answers:
    """Probabilities, and the outputs themselves where they are logits, or logarithms of probabilities."""
    logits = np.concatenate([-outputs, outputs], axis=1) if kind == "logit" else outputs
    known = kind == "log-probabilities" or "logit" in kind
    return Answers(scores=np.asarray(probabilities(outputs, kind), np.float32), logits=logits if known else None)


def _predict(spec: dict[str, Any], path: Path, images: ImageSet, progress: Progress) -> PredictResult:
    return predict(
        device_of(spec),
        path,
        images.pixels,
        preprocessing=spec["model"]["preprocessing"],
        on_progress=as_fraction(progress),
    )


def _before_softmax(content: bytes) -> bytes | None:
    """The artifact cut off before its softmax, or None when it does not end in one."""
    names = [operator.name for operator in operators(content)]
    if "SOFTMAX" not in names:
        return None
    last = len(names) - 1 - names[::-1].index("SOFTMAX")
    if last == 0 or any(name not in HEADS for name in names[last:]):
        return None
    return prefix(content, last)
