"""The paper's grids: images × networks for each method, with "correct" over a map when the network's top-1 is right."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from harness.store import StoredUnit
from reports.thumbnails import image_source, map_picture
from reports.view import RunView

LARGEST_PAYLOAD = 10_500_000  # characters of all pictures: the page stays within 15 MB


def grids(view: RunView, *, most: int | None = None) -> dict[str, Any]:
    """All grids as plain data: images with their label, and per method and network one picture per image.

    Every grid shows the same images, so many as LARGEST_PAYLOAD allows and at most `most`; `shown` and
    `available` say how many.
    """
    units = [unit for unit in view.of_kind("saliency") if _can_be_shown(view, unit)]
    available = max((len(u.result.get("images", ())) for u in units), default=0)
    count = min(available, most or available, max(1, LARGEST_PAYLOAD // max(1, _row_size(view, units))))
    images = _images(view, units, count)
    methods: dict[str, dict[str, Any]] = {}
    for unit in units:
        label = view.method_labels.get(unit.key, unit.spec["method"])
        methods.setdefault(label, {})[unit.spec["model"]["name"]] = _column(view, unit, count)
    return {"images": images, "methods": methods, "shown": count if units else 0, "available": available}


def _can_be_shown(view: RunView, unit: StoredUnit) -> bool:
    images = view.find(unit.spec.get("images"))
    return view.has_blob(unit.result.get("blob")) and images is not None and view.has_blob(images.result.get("blob"))


def _row_size(view: RunView, units: Iterable[StoredUnit]) -> int:
    """Characters of the first image's maps: what each further image will add."""
    columns = [_column(view, unit, 1) for unit in units]
    return sum(len(shown["source"]) + 120 for column in columns for shown in column["maps"].values())


def _scores(view: RunView, saliency_key: str) -> dict[str, dict[str, float]]:
    """Per image, the value of every metric by which the float model judged these maps."""
    found: dict[str, dict[str, float]] = {}
    for unit in view.judging(saliency_key):
        for score in view.store.scores(unit.key):
            if score.value is not None:
                found.setdefault(score.image, {})[view.metric_labels[unit.key]] = round(score.value, 4)
    return found


def _images(view: RunView, units: Iterable[StoredUnit], count: int) -> list[dict[str, Any]]:
    """Each image once, by key, in the order of the first network that was explained on it."""
    found: dict[str, dict[str, Any]] = {}
    for unit in units:
        source = view.find(unit.spec["images"])
        if source is None or source.status != "done" or set(source.result["images"][:count]) <= set(found):
            continue
        result = source.result
        pixels = view.rows_of(result["blob"], count)
        for key, image, label in zip(result["images"], pixels, result["labels"]):
            found.setdefault(key, {"key": key, "label": _class_name(result, label), "source": image_source(image)})
    return list(found.values())


def _column(view: RunView, unit: StoredUnit, count: int) -> dict[str, Any]:
    """One network under one method: its maps by image key."""
    source = view.find(unit.spec["images"])
    pictures = source.result if source else {}
    labels = dict(zip(pictures.get("images", ()), pictures.get("labels", ())))
    height, width = _image_size(unit, pictures)
    result, values = unit.result, view.rows_of(unit.result["blob"], count)
    blank = result.get("blank") or [False] * len(values)
    scores, maps = _scores(view, unit.key), {}
    for key, attribution, predicted, empty in zip(result["images"], values, result["predicted"], blank):
        picture = map_picture(np.asarray(attribution, np.float32), size=(height, width))
        maps[key] = {
            "source": picture.source,
            "scale": float(f"{picture.scale:.4g}"),
            "signed": picture.signed,
            "predicted": _class_name(pictures, predicted),
            "correct": predicted == labels.get(key),
            "blank": bool(empty),
            "scores": scores.get(key, {}),
        }
    return {
        "family": unit.spec["model"].get("family", ""),
        "pseudo_gradient": bool(result.get("pseudo_gradient")),
        "layer": result.get("layer") or "",
        "method": unit.spec["method"],
        "swept": {name: (unit.spec.get("parameters") or {}).get(name) for name in ("noise_level", "layer")},
        "notes": result.get("notes") or [],
        "maps": maps,
    }


def _image_size(unit: StoredUnit, pictures: dict[str, Any]) -> tuple[int, int]:
    record = unit.spec["model"].get("preprocessing") or {}
    return int(record.get("height", 64)), int(record.get("width", 64))


def _class_name(result: dict[str, Any], index: int | None) -> str:
    names = result.get("class_names") or []
    return str(names[index]) if index is not None and 0 <= index < len(names) else f"class {index}"
