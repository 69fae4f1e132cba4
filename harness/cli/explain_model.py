"""The model that `bitlens explain` asks: of the catalogue, of an experiment file, or a file of the user's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, nearest, shown
from harness.models.catalogue import Model
from harness.models.declared import FITS, INTERPOLATIONS, NORMALIZATIONS, Declared
from harness.parameters import MOST_SIDE

if TYPE_CHECKING:
    from harness.models.completion import Completed
    from harness.models.inferred import Picture


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnModelOptions:
    """What a model file does not say itself, as typed: None or False where nothing was."""

    mean: str | None = None
    scale: str | None = None
    normalization: str | None = None
    on_top: bool = False
    bgr: bool = False
    size: str | None = None
    resize: int | None = None
    fit: str | None = None
    interpolation: str | None = None
    output: str | None = None
    module: Path | None = None
    trusted: bool = False
    keras: Path | None = None
    background_class: bool | None = None

    def given(self) -> list[str]:
        """The options that were typed."""
        off = {**asdict(OwnModelOptions()), "on_top": False}
        return [f"--{name.replace('_', '-')}" for name, value in asdict(self).items() if value != off[name]]

    def declared(self) -> Declared:
        height, width = (None, None) if self.size is None else image_size(self.size)
        declared = Declared(
            height=height,
            width=width,
            fit=_one_of("fit", self.fit, FITS),
            resize=self.resize,
            interpolation=_one_of("interpolation", self.interpolation, INTERPOLATIONS),
            channel_order="bgr" if self.bgr else None,
            mean=None if self.mean is None else _numbers("mean", self.mean),
            scale=None if self.scale is None else _numbers("scale", self.scale),
            normalization=_one_of("normalization", self.normalization, tuple(NORMALIZATIONS)),
            on_top=self.on_top,
            background=self.background_class,
            keras=None if self.keras is None else str(self.keras.expanduser()),
        )
        declared.check("explain")
        return declared

    def model(self, path: Path) -> Model:
        """The record of a file, as far as it was typed."""
        from harness.models.lookup import own_file

        if self.module is not None and not self.trusted:
            raise ConfigError("--module: expected --trusted as well, since it is code that runs with your rights")
        output = self.output or ""
        return own_file(path, self.declared(), output=output, trusted=self.trusted, module=self.module)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A model and its Keras model; one line on what was inferred of it, and from where its outputs are known."""

    model: Model
    keras_model: Any
    inferred: str = ""
    output_known: str = "as all of the catalogue"


def model_record(name: str, own: OwnModelOptions, *, experiment: Path | None, weights: str | None, seed: int) -> Model:
    """The record of the model of this name, as far as it is known before its file is opened. Raises ConfigError."""
    from harness.models import lookup

    given, is_file = own.given(), experiment is None and lookup.is_file(name)
    if given and not is_file:
        raise ConfigError(f'{given[0]}: "{name}" is not a model file; its preprocessing is known')
    if weights is not None and (is_file or experiment is not None):
        raise ConfigError("--weights: is for a model of the catalogue alone, the others have theirs")
    if experiment is not None:
        return _of_experiment(name, experiment)
    return own.model(Path(name)) if is_file else lookup.named(name, weights=weights, seed=seed)


def is_flatbuffer_model(model: Model) -> bool:
    """By the first bytes of its file."""
    from harness.models.safety import is_flatbuffer

    return model.weights_path is not None and is_flatbuffer(model.weights_path)


def has_gradients(model: Model) -> bool:
    """Whether somebody knows them: of a flatbuffer, its Keras file."""
    declared = model.declared.keras if model.declared is not None else None
    return model.keras is not None or declared is not None or not is_flatbuffer_model(model)


def opened(model: Model, pictures: Sequence[tuple[str, Picture]]) -> OpenModel:
    from harness.models.completion import complete
    from harness.models.loading import load_model

    if model.declared is None:
        return OpenModel(model=model, keras_model=load_model(model))
    done = complete(model, pictures)
    if done.model.unscored:
        raise ConfigError(f'model "{model.name}": {done.model.unscored}, so that there is no class to explain')
    how = "declared" if model.output else _how_found(done)
    return OpenModel(model=done.model, keras_model=done.keras_model, inferred=done.said, output_known=how)


def _how_found(done: Completed) -> str:
    from harness.models.flatbuffer_outputs import kind_by_head

    by_operator = done.model.is_flatbuffer and kind_by_head(done.keras_model.content)
    return "known by its last operator" if by_operator else "found by their values"


def _of_experiment(name: str, experiment: Path) -> Model:
    """A model of an experiment file."""
    from harness.experiment.reader import read_experiment

    models = {model.name: model for model in read_experiment(experiment).models}
    if name not in models:
        raise ConfigError(f'model: expected one of {experiment.name}, got "{name}"', hint=nearest(name, models))
    return models[name]


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"--{name}: expected numbers with commas between them, got {shown(text)}")
    return numbers


def image_size(text: str) -> tuple[int, int]:
    """(height, width) of "224" or "96x128". Raises ValueError for another text."""
    sides = text.split("x")
    if len(sides) > 2 or not all(side.isdecimal() and len(side) < 6 and 1 <= int(side) <= MOST_SIDE for side in sides):
        raise ValueError(f"expected 224, or height x width such as 96x128, got {shown(text)}")
    return int(sides[0]), int(sides[-1])


def _one_of(name: str, text: str | None, known: Sequence[str]) -> str | None:
    if text is not None and text not in known:
        raise ConfigError(f"--{name}: expected one of {', '.join(known)}, got {shown(text)}", hint=nearest(text, known))
    return text
