"""What `bitlens explain` says of a picture: a record as JSON has it, and the text made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.cli.explain_image import Explanation, ScoredMap
from harness.cli.explain_model import OpenModel
from harness.cli.text import as_table
from harness.errors import printable
from harness.outputs import KINDS
from harness.quality.metrics.metric_table import METRICS
from reports.drawing.captions import Caption

NOTE = (
    "One picture says how these maps compare on it, not how good a method or a model is: `bitlens run` asks many.\n"
    "A map that scores no better than its controls shows nothing that the model knows."
)


def record(
    path: Path, explained: Explanation, names: Sequence[str], pictures: Mapping[str, Path], opened: OpenModel
) -> dict[str, Any]:
    """One picture's explanation as plain data; `pictures` are the files written, by method."""
    likely = explained.probabilities.argsort()[::-1][:3]
    return {
        "image": printable(str(path)),
        "predicted": [
            {"class": int(i), "name": names[i], "probability": float(explained.probabilities[i])} for i in likely
        ],
        "output": {"kind": opened.model.output, "known": opened.output_known},
        "target": {"class": explained.target, "name": names[explained.target]},
        "pseudo_gradient": explained.pseudo_gradient,
        "maps": [
            {
                "method": row.label,
                **row.scores,
                "notes": list(row.notes),
                "picture": printable(str(pictures[row.method])) if row.method else None,
            }
            for row in explained.maps
        ],
    }


def caption(path: Path, explained: Explanation, names: Sequence[str], model: str, row: ScoredMap) -> Caption:
    """What the picture of a map says: the class that it explains, by which method, and of which model."""
    target, predicted = explained.target, explained.predicted
    probability = float(explained.probabilities[target])
    others = f", where {_named(explained, names, predicted)} is predicted" if target != predicted else ""
    return Caption(
        title=f"{_named(explained, names, target)}{others}",
        lines=(f"{row.label}, {model}, {printable(path.name)}",),
        facts={
            "image": printable(path.name),
            "model": model,
            "method": row.label,
            "class": target,
            "name": printable(names[target]),
            "probability": probability,
            "predicted": predicted,
            "scores": dict(row.scores),
        },
    )


def _named(explained: Explanation, names: Sequence[str], index: int) -> str:
    return f"{printable(names[index])} {explained.probabilities[index]:.1%}"


def headline(opened: OpenModel, where: str = "") -> str:
    """Which model with which weights, what it is fed, and what a reader must know of its maps.

    where  of a flatbuffer: the device that runs it.
    """
    model = opened.model
    fed, weights = model.preprocessing, model.weights if model.weights_path is None else "trained"
    lines = [
        f"{model.name}: {model.family}, {weights} weights, {fed['height']}x{fed['width']} {_channels(fed)}, "
        f"input = (pixels - {_numbers(fed['mean'])}) * {_numbers(fed['scale'])}",
        f"its outputs are {KINDS[model.output]} ({opened.output_known})",
    ]
    if where:
        lines.append(f"a flatbuffer: scores, and maps by forward passes, are its own, on {where}")
    if model.keras is not None:
        lines.append(f'gradients are those of its Keras file "{model.keras.weights}"')
    if model.float_model.family == "binarized" and (not where or model.keras is not None):
        lines.append("gradients pass its binarized layers by a straight-through estimate")
    if model.weights == "random":
        lines.append("random weights: predictions and maps mean nothing")
    return "\n".join(lines)


def _channels(fed: Mapping[str, Any]) -> str:
    """An order is one of three channels."""
    return "grey" if len(fed["mean"]) == 1 else str(fed["channel_order"])


def _numbers(values: Sequence[float]) -> str:
    """ "127.5", or "(103.939, 116.779, 123.68)" where channels differ."""
    texts = [f"{value:.6g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else f"({', '.join(texts)})"


def as_text(record: Mapping[str, Any]) -> str:
    """The same for people: the most likely classes, a row of scores for each map, notes and files."""
    likely = ", ".join(f"{row['name']} {row['probability']:.1%}" for row in record["predicted"])
    top, target = record["predicted"][0], record["target"]
    lines = [f"{record['image']}: {likely}"]
    if target["class"] != top["class"]:
        lines.append(f"explained is {target['name']}")
    table = [
        {
            "map": row["method"],
            **{f"{name} ({METRICS[name].better})": value for name, value in row.items() if name in METRICS},
        }
        for row in record["maps"]
    ]
    lines.append(as_table(table))
    notes = list(dict.fromkeys(f"{row['method']}: {note}" for row in record["maps"] for note in row["notes"]))
    pictures = [row["picture"] for row in record["maps"] if row["picture"]]
    return "\n".join([*lines, *notes, *(f"picture  {path}" for path in pictures)])
