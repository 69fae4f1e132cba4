"""What exists: models, formats, methods, metrics, data sets and runtimes, without importing any framework."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from converters import FORMATS
from harness.catalogue import CATALOGUE, catalogue_model, model_card
from harness.datasets import DATASETS
from harness.errors import ConfigError
from harness.quality import METRICS
from harness.saliency import METHODS
from harness.tables import look_up

Rows = list[dict[str, Any]]


def models() -> Rows:
    return [
        {
            "name": name,
            "family": entry.family,
            "input": f"{entry.preprocessing['height']}x{entry.preprocessing['width']}",
            "classes": entry.classes,
            "weights": entry.weights,
            "twin": entry.twin,
            "labels_shuffled_of": entry.shuffled,
            "top1": (model_card(name) or {}).get("top1"),
            "paper": entry.paper,
        }
        for name, entry in CATALOGUE.items()
    ]


def formats() -> Rows:
    return [
        {"name": name, "fits": list(spec.families), "operators": spec.operators, "summary": spec.summary}
        for name, spec in FORMATS.items()
    ]


def methods() -> Rows:
    return [
        {
            "name": name,
            "parameters": {parameter.name: parameter.default for parameter in spec.parameters},
            "passes": f"{spec.forward_passes} forward, {spec.backward_passes} backward",
            "paper": spec.paper,
            "summary": spec.about,
        }
        for name, spec in METHODS.items()
    ]


def metrics() -> Rows:
    return [
        {
            "name": name,
            "better": spec.better,
            "unit": spec.unit,
            "needs": list(spec.needs),
            "parameters": {parameter.name: parameter.default for parameter in spec.parameters},
            "paper": spec.paper,
            "summary": spec.summary,
        }
        for name, spec in METRICS.items()
    ]


def datasets() -> Rows:
    return [{"name": name, "summary": spec.summary} for name, spec in DATASETS.items()]


def runtimes() -> Rows:
    from device.runtimes import RUNTIMES, installed

    here = {row["name"]: row for row in installed()}
    return [
        {
            "name": runtime.name,
            "version": here.get(runtime.name, {}).get("version"),
            "usable_here": here.get(runtime.name, {}).get("usable", False),
            "custom_operators": list(runtime.operators),
            "reason": here.get(runtime.name, {"reason": "not installed"})["reason"],
        }
        for runtime in RUNTIMES
    ]


def layers(model_name: str | None) -> Rows:
    """Where a class activation map of a network can be taken; builds the network, with random weights."""
    from dataclasses import asdict

    from harness.models.loading import load_model
    from harness.saliency import list_layers

    if model_name is None:
        raise ConfigError("bitlens list layers: expected the name of a model", hint="bitlens list layers quicknet")
    entry = look_up(CATALOGUE, model_name, where="bitlens list layers", what="model of the catalogue")
    return [asdict(layer) for layer in list_layers(load_model(catalogue_model(model_name, entry, weights="random")))]


LISTS: dict[str, Callable[[], Rows]] = {
    "models": models,
    "formats": formats,
    "methods": methods,
    "metrics": metrics,
    "datasets": datasets,
    "runtimes": runtimes,
}


def as_json(rows: Rows) -> str:
    return json.dumps(rows, indent=2)


def as_table(rows: Rows) -> str:
    """Columns aligned with spaces; an empty cell where there is nothing to say."""
    columns = list(rows[0])
    cells = [[_text(row[column]) for column in columns] for row in rows]
    widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in [columns, *cells]]
    return "\n".join(lines)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return " ".join(f"{key}={_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)
