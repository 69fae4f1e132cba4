"""The text of a first experiment file: each key with the sentence of its declaration, and the value found for it."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converters import BINARIZED
from harness.draft.looking import Found, Pictures
from harness.experiment.brackets import place_at
from harness.experiment.json_schema import COMMENT
from harness.experiment.keys import choices_of, declaration_of
from harness.experiment.schema import ALL_IMAGES, AccuracyTable, ConversionTable
from harness.experiment.toml_text import as_toml
from harness.models.declared import CROP

WIDTH = 100  # characters of a line of comment
MOST_EXPLAINED = 16  # pictures, so that a first run is soon over
Keys = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the file is about; `devices` by the names that they have for all experiments."""

    pictures: Pictures
    models: tuple[Found, ...]
    devices: tuple[str, ...]
    other_devices: tuple[str, ...] = ()

    def text(self, folder: Path) -> str:
        """The file as it lies in this folder."""
        parts = [COMMENT, *_comment(self._about()), "", *self._top(), *self._dataset(folder)]
        for found in self.models:
            if not found.is_of_catalogue:
                parts += _model(found, folder)
        return "\n".join([*parts, *self._measured(), *self._explained()]) + "\n"

    def _about(self) -> str:
        pictures = self.pictures
        names = ", ".join(pictures.dataset.class_names[:8]) + ", ..." * (len(pictures.dataset.class_names) > 8)
        return (
            f"Written by `bitlens init`, which found {len(pictures.dataset.class_names)} classes ({names}), "
            f"{pictures.judging} pictures that judge (the split test) and {pictures.calibrating} others (the split "
            "train). Everything may be changed; docs/experiment-file.md has every key."
        )

    def _top(self) -> Iterator[str]:
        catalogue = [found.model.name for found in self.models if found.is_of_catalogue]
        keys: list[tuple[str, Any]] = [("seed", 0)]
        keys += [("models", catalogue)] * bool(catalogue)
        keys += [("formats", self._formats())] * bool(self._formats())
        yield from _keys((), [*keys, ("devices", list(self.devices))])
        if self.other_devices:
            yield from _comment(f"Known as well: {', '.join(self.other_devices)}.")

    def _formats(self) -> list[str]:
        families = {found.model.family for found in self.models if not found.model.is_flatbuffer}
        formats = ["fp32"] * bool(families)
        formats += ["int8"] * (bool(families - {BINARIZED}) and bool(self.pictures.calibrating))
        return formats + ["lce"] * (BINARIZED in families)

    def _dataset(self, folder: Path) -> Iterator[str]:
        yield from _table(("dataset",), [("path", _beside(self.pictures.path, folder))])

    def _measured(self) -> Iterator[str]:
        if "int8" in self._formats():
            most = min(ConversionTable().calibration_images, self.pictures.calibrating)
            yield from _table(("conversion",), [("calibration_images", most)])
        judging, most = self.pictures.judging, AccuracyTable().images or 0
        yield from _table(("accuracy",), [("images", ALL_IMAGES if judging <= most else most)])
        yield from _table(("latency",), [("threads", [1]), ("rounds", 3)])

    def _explained(self) -> Iterator[str]:
        scored = [found for found in self.models if not found.model.unscored]
        if not scored:
            return
        methods = ["gradient", "smoothgrad"] if all(found.gives_gradients for found in scored) else ["occlusion"]
        methods += ["gradcam"] * all(found.gives_gradients and found.gives_maps for found in scored)
        images = min(MOST_EXPLAINED, self.pictures.judging)
        yield from _table(("saliency",), [("images", images), ("methods", methods)])
        metrics = ["insertion_auc", "deletion_auc", "sparseness"] + ["mass_in_object"] * self.pictures.has_masks
        yield from _table(("quality",), [("metrics", metrics)])


def _model(found: Found, folder: Path) -> Iterator[str]:
    model = found.model
    keys: list[tuple[str, Any]] = [("path", _beside(Path(model.weights), folder))]
    keys += [("trusted", True)] * model.trusted
    keys += [("module", _beside(Path(model.module), folder))] if model.module else []
    if not model.unscored:
        keys += [("family", model.family), *_classes(found), ("output", model.output)]
    yield from _table(("model",), keys, found.said)
    if not model.unscored:
        yield from _table(("model", "preprocessing"), _preprocessing(found))


def _classes(found: Found) -> Keys:
    """How many there are, and which of them each label is."""
    class_map, classes = found.model.class_map, ("classes", found.model.classes)
    if class_map is None:
        return [classes]
    if list(class_map) == list(range(1, len(class_map) + 1)):
        return [classes, ("background_class", True)]
    return [classes, ("class_map", list(class_map))]


def _preprocessing(found: Found) -> Keys:
    record = found.model.preprocessing
    asked = found.asked.on_top if found.asked is not None else False
    keys: list[tuple[str, Any]] = [("height", record["height"]), ("width", record["width"])]
    keys += [("fit", record.get("fit", CROP)), ("channel_order", record["channel_order"])]
    if found.normalization:
        keys += [("normalization", found.normalization)]
    else:
        keys += [("mean", record["mean"]), ("scale", record["scale"])]
    return keys + [("on_top", True)] * asked


# --------------------------------------------------------------------------------------------------------------- TOML
def _table(path: tuple[str, ...], keys: Keys, remark: str = "") -> list[str]:
    place = place_at(path)
    assert place is not None, path
    about = (place.table.__doc__ or "").partition("\n")[0]
    remarks = [*_comment(f"Found: {remark}."), ""] if remark else []
    return ["", *_comment(about), place.heading, *remarks, *_keys(path, keys)]


def _keys(path: tuple[str, ...], keys: Iterable[tuple[str, Any]]) -> Iterator[str]:
    place = place_at(path)
    assert place is not None, path
    for name, value in keys:
        field = place.table.model_fields[name]
        said = declaration_of(field)
        unit = f" In {said.unit}." if said.unit and said.unit not in f"{name} {said.says}" else ""
        yield from _comment(f"{said.says}{unit}{_choices(field)}")
        yield f"{name} = {as_toml(value)}"


def _choices(field: Any) -> str:
    choices = choices_of(field)
    return f" One of {', '.join(map(as_toml, choices))}." if choices else ""


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]


def _beside(path: Path, folder: Path) -> str:
    """A path as the file in this folder says it: relative where it lies below."""
    path, folder = path.expanduser().resolve(), folder.resolve()
    return os.fspath(path.relative_to(folder)) if path.is_relative_to(folder) else os.fspath(path)
