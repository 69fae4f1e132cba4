"""What a data set and model files say of themselves, as a first experiment file has to say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import kind_of, open_dataset
from harness.errors import ConfigError
from harness.execution.own_models import few_pictures
from harness.models.catalogue import CATALOGUE, Model
from harness.models.declared import NORMALIZATIONS, Declared
from harness.models.findings import BY_DEFAULT
from harness.models.flatbuffer_model import WITHOUT_LAYERS
from harness.models.lookup import is_file, named, own_file
from harness.plan.label_check import check_labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """A data set, opened, and what it is called on the command line."""

    path: Path
    dataset: Dataset

    @property
    def judging(self) -> int:
        return self.dataset.size("test")

    @property
    def calibrating(self) -> int:
        return self.dataset.size("train")

    @property
    def has_masks(self) -> bool:
        return bool(self.judging) and self.dataset.sample("test", 0).mask is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A model with a complete record.

    said             what was inferred of its file, in a line; "" for a model of the catalogue.
    asked            what was declared before its file was opened.
    gives_gradients  whether it has layers.
    gives_maps       whether any of these makes a map that Grad-CAM takes.
    """

    model: Model
    said: str
    asked: Declared | None
    gives_gradients: bool
    gives_maps: bool

    @property
    def is_of_catalogue(self) -> bool:
        return self.asked is None

    @property
    def normalization(self) -> str:
        """The preset that its numbers are, "" for none."""
        record = self.model.preprocessing
        order, channels = record["channel_order"], len(record["mean"])
        for name, preset in NORMALIZATIONS.items():
            mean, scale = ([*values] * (channels // len(values)) for values in preset.in_order(order))
            if (mean, scale, preset.order) == (record["mean"], record["scale"], order):
                return name
        return ""

    @property
    def guessed_normalization(self) -> bool:
        """Whether nobody and no file says how pixels become the input."""
        return BY_DEFAULT in self.said


def look_at_pictures(path: Path) -> Pictures:
    """Raises ConfigError for what is no data set, or has no picture that judges."""
    dataset = open_dataset(kind_of(str(path)), path=str(path), seed=0)
    pictures = Pictures(path=path, dataset=dataset)
    if not pictures.judging:
        raise ConfigError(f'"{path}": expected pictures that judge, found none', hint="pictures in a folder test/")
    return pictures


def look_at_model(name: str, declared: Declared, pictures: Pictures, *, trusted: bool, module: Path | None) -> Found:
    """A file, or a model of the catalogue. Raises ConfigError for one that does not fit the pictures."""
    if not is_file(name):
        if declared != Declared():
            raise ConfigError(f'"{name}" is a model of the catalogue, whose preprocessing is known')
        found = Found(
            model=named(name, weights=None), said="", asked=None, gives_gradients=True, gives_maps=name in CATALOGUE
        )
    else:
        found = _look_at_file(name, declared, pictures, trusted=trusted, module=module)
    if not found.model.unscored:
        check_labels(found.model, pictures.dataset)
    return found


def _look_at_file(name: str, declared: Declared, pictures: Pictures, *, trusted: bool, module: Path | None) -> Found:
    from harness.models.completion import complete

    asked = own_file(Path(name), declared, output="", trusted=trusted, module=module)
    done = complete(asked, few_pictures(pictures.dataset), pictures.dataset)
    has_layers = not isinstance(done.keras_model, WITHOUT_LAYERS)
    return Found(
        model=done.model,
        said=done.said,
        asked=declared,
        gives_gradients=has_layers and not done.model.unscored,
        gives_maps=has_layers and _has_maps(done.keras_model),
    )


def _has_maps(keras_model: Any) -> bool:
    from harness.saliency.engine.layers import list_layers

    try:
        return any(layer.default for layer in list_layers(keras_model))
    except ConfigError:  # layers that nobody can follow
        return False


def distinct(models: Sequence[Found]) -> None:
    """Raises ConfigError for two files that results would call by one name."""
    names = [found.model.name for found in models]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f'--model: two models are called "{twice}"', hint="one of the files under another name")
