"""What `bitlens list` prints: models, formats, methods, metrics, data sets and runtimes, without any framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters import FORMATS
from harness.cli.text import Rows
from harness.errors import BitlensError, ConfigError
from harness.models.catalogue import CATALOGUE, Model, model_card
from harness.parameters import Parameter
from harness.quality.metrics.metric_table import METRICS
from harness.saliency.methods.method_table import METHODS

if TYPE_CHECKING:
    from harness.saliency.engine.layers import LayerInfo

ONE_PIXEL_NOTE = "no candidate: a map of 1x1 is blank"


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
            "signed": spec.signed,
            "parameters": _parameters(spec.parameters),
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
            "parameters": _parameters(spec.parameters),
            "paper": spec.paper,
            "summary": spec.summary,
        }
        for name, spec in METRICS.items()
    ]


def datasets() -> Rows:
    from harness.datasets.dataset_kinds import DATASETS

    return [{"name": name, "summary": spec.summary} for name, spec in DATASETS.items()]


def runtimes() -> Rows:
    """`operators` says of runtimes with our operators where these come from, or why they cannot be had."""
    from device.delegates import has_flex
    from device.runtimes import RUNTIMES, installed

    here = {row["name"]: row for row in installed(library=True)}
    ours, problem = _our_operators()
    rows = []
    for runtime in RUNTIMES:
        row = here.get(runtime.name, {"version": None, "usable": False, "reason": "not installed"})
        flexless = runtime.name == "tensorflow" and not has_flex(row["version"] or "")
        lacking = problem if runtime.takes_library and row["usable"] else ""
        rows.append(
            {
                "name": runtime.name,
                "version": row["version"],
                "usable_here": row["usable"] and not lacking,
                "xnnpack": list(runtime.xnnpack),
                "custom_operators": [] if flexless else list(runtime.operators),
                "operators": ours if runtime.takes_library else "its own",
                "reason": row["reason"] or lacking,
            }
        )
    return rows


def _our_operators() -> tuple[str, str]:
    """Where our LCE operators for this host come from, and why they cannot be had."""
    from harness.native.build import host_target, source_of

    try:
        return source_of(host_target()), ""
    except BitlensError as error:
        return "", str(error).partition("\n")[0]


def layers(model_name: str | None) -> Rows:
    """Where a class activation map of a model can be taken, and the convolutions where it would be blank.

    Reads a file of the user's own, or builds a model of the catalogue with random weights.
    """
    if model_name is None:
        raise ConfigError("list layers: expected a model or a model file", hint="bitlens list layers quicknet")
    from harness.saliency.engine.layers import list_layers, list_one_pixel_convolutions

    keras_model = _keras_model(model_name)
    return [
        *(_layer_row(info, note="") for info in list_layers(keras_model)),
        *(_layer_row(info, note=ONE_PIXEL_NOTE) for info in list_one_pixel_convolutions(keras_model)),
    ]


LISTS: dict[str, Callable[[], Rows]] = {
    "models": models,
    "formats": formats,
    "methods": methods,
    "metrics": metrics,
    "datasets": datasets,
    "runtimes": runtimes,
}


def _parameters(parameters: Iterable[Parameter]) -> dict[str, dict[str, Any]]:
    """By name: what is taken when nothing is given, in which unit, and what may be given."""
    return {
        parameter.name: {"default": parameter.default, "unit": parameter.unit, "valid": parameter.expected()}
        for parameter in parameters
    }


def _keras_model(name: str) -> Any:
    from harness.models import lookup
    from harness.models.files import read_model
    from harness.models.loading import load_model

    if lookup.is_file(name):
        path = Path(name).expanduser()
        return read_model(Model(name=path.stem, family="", preprocessing={}, classes=0, weights=str(path)))
    return load_model(lookup.named(name, weights="random"))


def _layer_row(info: LayerInfo, *, note: str) -> dict[str, Any]:
    """A size that the model leaves open is None."""
    return {**asdict(info), "height": info.height or None, "width": info.width or None, "note": note}
