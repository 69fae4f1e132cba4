"""What was inferred of a model file, in one line for whoever starts a run or asks for an explanation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.catalogue import Model
from harness.models.declared import PAD, Declared
from harness.models.findings import Findings
from harness.outputs import KINDS

Picture = NDArray[np.uint8]
Record = dict[str, Any]


def in_words(
    model: Model, before: Model, findings: Findings, pictures: Sequence[Picture], *, of_labels: str = ""
) -> str:
    """One line on a complete model; "" where nothing was inferred.

    before     the model as it was declared.
    of_labels  which class each label is, if that was inferred.
    """
    declared = before.declared or Declared()
    parts = [*_read(model, declared), *_prepared(model, declared, findings), *_fitted(model, declared, pictures)]
    if not before.output:
        parts.append(f"its outputs are {KINDS[model.output]} (`output` changes it)")
    if of_labels:
        parts.append(f"{of_labels} (`background_class` or `class_map` changes it)")
    return f'model "{model.name}": {"; ".join(parts)}' if parts else ""


def only_measured_in_words(model: Model) -> str:
    return f'model "{model.name}": {model.unscored}: accuracy is not defined for it, and only its latency is measured'


def _read(model: Model, declared: Declared) -> Iterator[str]:
    record, read = model.preprocessing, []
    if declared.height is None or declared.width is None:
        read.append(f"input {record['height']}x{record['width']}x{len(record['mean'])}")
    if declared.classes is None:
        read.append(f"{model.classes} classes")
    if declared.family is None:
        read.append(model.family)
    if read:
        yield f"its file says {', '.join(read)}"


def _prepared(model: Model, declared: Declared, findings: Findings) -> Iterator[str]:
    if str(findings.own):
        yield f"it {findings.own}"
    if declared.normalization is None and (declared.mean is None or declared.scale is None):
        yield f"input = {arithmetic(model.preprocessing)} {findings.proposed.why} (`normalization` changes it)"
    if findings.remark:
        yield findings.remark


def _fitted(model: Model, declared: Declared, pictures: Sequence[Picture]) -> Iterator[str]:
    record, channels = model.preprocessing, len(model.preprocessing["mean"])
    sizes = {picture.shape[:2] for picture in pictures}
    if declared.fit is None and declared.resize is None and sizes - {(record["height"], record["width"])}:
        yield "pictures are scaled to cover the input and cropped at the centre (`fit` changes it)"
    if declared.fit == PAD and declared.pad_colour is None:
        yield "pictures are padded with black (`pad_colour` changes it)"
    here = {picture.shape[2] for picture in pictures} - {channels}
    if here:
        yield "colours become greys" if channels == 1 else "greys are repeated in three channels"


def arithmetic(record: Record) -> str:
    """ "(pixels - 127.5) / 127.5", or with numbers for each channel where they differ."""
    mean, scale = _short(record["mean"]), _short(record["scale"])
    pixels = "pixels" if mean == "0" else f"(pixels - {mean})"
    if scale == "1":
        return pixels
    if len(set(record["scale"])) == 1 and record["scale"][0]:
        inverse = 1 / record["scale"][0]
        if abs(inverse - round(inverse, 1)) < 1e-6 * inverse:
            return f"{pixels} / {inverse:.6g}"
    return f"{pixels} * {scale}"


def _short(values: Sequence[float]) -> str:
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"
