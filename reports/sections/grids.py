"""The paper's grids: images × models for each method, with "correct" over a map when the model's top-1 is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from harness.store import StoredUnit, stored_maps
from reports.data.view import RunView, method_name
from reports.drawing.thumbnails import image_source, map_picture

LARGEST_PAYLOAD = 10_500_000  # characters of all pictures: the page stays within 15 MB


def grids(view: RunView, *, most: int | None = None) -> dict[str, Any]:
    """All grids as plain data: images with their label, and per method and model one picture per image.

    Every grid shows the same images, as many as LARGEST_PAYLOAD allows and at most `most`; `shown` and
    `available` say how many.
    """
    units = [unit for unit in view.of_kind("saliency") if _can_be_shown(view, unit)]
    available = max((len(u.result["images"]) for u in units), default=0)
    count = min(available, most or available, max(1, LARGEST_PAYLOAD // max(1, _row_size(view, units))))
    images = _images(view, units, count)
    methods: dict[str, dict[str, Any]] = {}
    for unit in units:
        label = view.method_labels[unit.key]
        methods.setdefault(label, {})[unit.spec["model"]["name"]] = _column(view, unit, count)
    return {"images": images, "methods": methods, "shown": count if units else 0, "available": available}


def _can_be_shown(view: RunView, unit: StoredUnit) -> bool:
    return any(_batches(view, unit))


def _row_size(view: RunView, units: Iterable[StoredUnit]) -> int:
    """Characters of the first image's maps: what each further image will add."""
    columns = [_column(view, unit, 1) for unit in units]
    return sum(len(shown["source"]) + 120 for column in columns for shown in column["maps"].values())


def _scores(view: RunView, saliency_key: str) -> dict[str, dict[str, float]]:
    """Per image, the value of every metric by which the float model judged these maps."""
    values: dict[str, dict[str, float]] = {}
    for unit in view.judging(saliency_key):
        for score in view.scores(unit):
            if score.value is not None:
                values.setdefault(score.image, {})[view.metric_labels[unit.key]] = round(score.value, 4)
    return values


def _images(view: RunView, units: Iterable[StoredUnit], count: int) -> list[dict[str, Any]]:
    """Each image once, by key, in the order of the first model that was explained on it."""
    images: dict[str, dict[str, Any]] = {}
    for unit in units:
        for _, source in _first(view, unit, count):
            if set(source.result["images"]) <= set(images):
                continue
            result = source.result
            pixels = view.rows_of(result["blob"], count)
            for key, image, label in zip(result["images"], pixels, result["labels"]):
                images.setdefault(key, {"key": key, "label": _class_name(result, label), "source": image_source(image)})
    return list(images.values())[:count]


def _column(view: RunView, unit: StoredUnit, count: int) -> dict[str, Any]:
    """One model under one method: its maps by image key."""
    maps: dict[str, dict[str, Any]] = {}
    scores = _scores(view, unit.key)
    for part, source in _first(view, unit, count):
        maps |= _maps(view, part, source.result, scores, count - len(maps))
    result = unit.result  # a control has no engine, and so none of the facts that may be missing
    return {
        "family": unit.spec["model"]["family"],
        "pseudo_gradient": bool(result.get("pseudo_gradient")),
        "layer": result.get("layer") or "",
        "method": method_name(unit.spec),
        "swept": {name: unit.spec["parameters"].get(name) for name in ("noise_level", "layer")},
        "notes": result.get("notes") or [],
        "maps": maps,
    }


def _maps(
    view: RunView, part: StoredUnit, pictures: dict[str, Any], scores: dict[str, dict[str, float]], count: int
) -> dict[str, dict[str, Any]]:
    """The first maps of a batch by image key."""
    labels = dict(zip(pictures["images"], pictures["labels"]))
    result, values = part.result, np.asarray(view.rows_of(part.result["blob"], count), np.float32)
    blank = result.get("blank") or [False] * len(values)
    maps: dict[str, dict[str, Any]] = {}
    shown = stored_maps(part, values, _image_size(part))
    targets = result.get("targets") or result["predicted"]
    for key, saliency_map, predicted, target, empty in zip(
        result["images"], shown, result["predicted"], targets, blank
    ):
        picture = map_picture(saliency_map)
        maps[key] = {
            "source": picture.source,
            "scale": float(f"{picture.scale:.4g}"),
            "signed": picture.signed,
            "predicted": _class_name(pictures, predicted),
            "correct": predicted == labels.get(key),
            "blank": bool(empty),
            "scores": scores.get(key, {}),
            **({} if target == predicted else {"explained": _class_name(pictures, target)}),
        }
    return maps


def _batches(view: RunView, unit: StoredUnit) -> Iterator[tuple[StoredUnit, StoredUnit]]:
    """The batches of an explanation whose maps and images are there, each with its images unit."""
    for part in view.parts(unit):
        images = view.needed(part, "images")
        if view.has_blob(part.result.get("blob")) and view.has_blob(images.result.get("blob")):
            yield part, images


def _first(view: RunView, unit: StoredUnit, count: int) -> Iterator[tuple[StoredUnit, StoredUnit]]:
    """As many of these batches as hold the first `count` images."""
    seen = 0
    for part, images in _batches(view, unit):
        if seen < count:
            yield part, images
        seen += len(part.result["images"])


def _image_size(unit: StoredUnit) -> tuple[int, int]:
    record = unit.spec["model"]["preprocessing"]
    return record["height"], record["width"]


def _class_name(result: dict[str, Any], index: int | None) -> str:
    names = result["class_names"]
    return str(names[index]) if index is not None and 0 <= index < len(names) else f"class {index}"
