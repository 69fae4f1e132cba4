"""What `bitlens explain` is asked for: its options, and the methods, metrics, model and classes that they name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomllib

from harness.errors import ConfigError, nearest, shown
from harness.models.catalogue import CATALOGUE, Model, model_card
from harness.models.declared import FITS, INTERPOLATIONS, NORMALIZATIONS, Declared
from harness.outputs import ONE_COLUMN
from harness.parameters import MOST_SIDE
from harness.registry import look_up
from harness.regular_files import MIB, read_text

if TYPE_CHECKING:
    from harness.cli.explain_image import Method
    from harness.models.inferred import Picture

Names = Sequence[str]
DEFAULT_METHODS = ("gradient", "smoothgrad", "gradcam")
MOST_LABELS = 16 * MIB
MOST_DIGITS = 20  # of a class's number
DEFAULT_METRICS = ("insertion_auc", "deletion_auc", "sparseness", "entropy", "total_variation")


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

    def given(self) -> list[str]:
        """The options that were typed."""
        return [f"--{name.replace('_', '-')}" for name, value in asdict(self).items() if value not in (None, False)]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """All options of the command, as typed; empty where defaults are wanted."""

    model: str
    images: tuple[Path, ...]
    methods: tuple[str, ...]
    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    target: str
    weights: str | None
    labels: Path | None
    out: Path
    seed: int
    as_json: bool
    experiment: Path | None
    own: OwnModelOptions

    def chosen_methods(self) -> list[Method]:
        """The methods asked for, each with those of the given parameters that it has.

        Raises ConfigError for a parameter that none of them has, or that is out of its range.
        """
        from harness.cli.explain_image import Method
        from harness.saliency.methods.method_table import METHODS, parameters_of

        names, given = list(dict.fromkeys(self.methods or DEFAULT_METHODS)), dict(map(_parameter, self.parameters))
        for name in names:
            look_up(METHODS, name, where="--method", what="method")
        methods = [Method(name=name, parameters=_those_of(name, given)) for name in names]
        for method in methods:
            parameters_of(method.name, method.parameters)
        unused = [key for key in given if all(key not in method.parameters for method in methods)]
        if unused:
            known = sorted({key for name in names for key in parameters_of(name, _those_of(name, given))})
            raise ConfigError(
                f"--parameter {unused[0]}: none of {', '.join(names)} has such a parameter",
                hint=nearest(unused[0], known),
            )
        return methods

    def chosen_metrics(self) -> list[str]:
        """The metrics asked for. They need nothing beside the picture and the model: no mask, no other pictures."""
        from harness.quality.metrics.metric_table import METRICS

        possible = [name for name, spec in METRICS.items() if set(spec.needs) <= {"judge"}]
        names = self.metrics or DEFAULT_METRICS
        for name in names:
            look_up(METRICS, name, where="--metric", what="metric")
            if name not in possible:
                raise ConfigError(
                    f"--metric: {name} needs more than one picture or a mask: a run has them",
                    hint="one of " + ", ".join(possible),
                )
        return list(dict.fromkeys(names))

    def open_model(self, pictures: Sequence[tuple[str, Picture]]) -> OpenModel:
        """The model: of the catalogue, of an experiment file, or a file.

        pictures  those to explain, with what a sentence calls them: a file of the user's own is looked at with them.
        """
        from harness.models import lookup

        given = self.own.given()
        is_file = self.experiment is None and lookup.is_file(self.model)
        if given and not is_file:
            raise ConfigError(f'{given[0]}: "{self.model}" is not a model file; its preprocessing is known')
        if self.weights is not None and (is_file or self.experiment is not None):
            raise ConfigError("--weights: is for a model of the catalogue alone, the others have theirs")
        if self.experiment is not None:
            return _opened(_of_experiment(self.model, self.experiment), pictures)
        if is_file:
            return _opened(self.own.model(Path(self.model)), pictures)
        return _opened(lookup.named(self.model, weights=self.weights, seed=self.seed), pictures)

    def class_names(self, model: Model) -> tuple[str, ...]:
        """What the classes are called: by the labels file, by our own data sets, or by their numbers.

        Of a model with one output, a single name is that of class 1.
        """
        if self.labels is None:
            return _known_class_names(model) or tuple(f"class {i}" for i in range(model.classes))
        lines = read_text(self.labels, where="--labels", at_most=MOST_LABELS).splitlines()
        names = tuple(line.strip() for line in lines if line.strip())
        if model.output in ONE_COLUMN and len(names) == 1:
            return f"not {names[0]}", names[0]
        if len(names) != model.classes:
            raise ConfigError(
                f'--labels: expected {model.classes} names, one on each line of "{self.labels}", got {len(names)}'
            )
        return names

    def target_class(self, names: Names, classes: int) -> int | None:
        """The number of the class to explain; None for the predicted one."""
        if self.target == "predicted":
            return None
        if self.target in names:
            return list(names).index(self.target)
        if self.target.isdecimal() and len(self.target) < MOST_DIGITS and int(self.target) < classes:
            return int(self.target)
        hint = nearest(self.target, names) if classes <= 20 else "the class's number, or --labels FILE to use names"
        raise ConfigError(
            f"--target: expected a class from 0 to {classes - 1} or its name, got {shown(self.target)}", hint=hint
        )


def _parameter(text: str) -> tuple[str, Any]:
    """("noise_level", 0.02) of "noise_level=0.02": a TOML value, or text without its quotes."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ConfigError(f'--parameter: expected NAME=VALUE, got "{text}"', hint="--parameter noise_level=0.02")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # TOMLDecodeError is a ValueError, and so is what Python says of 5,000 digits
        return name.strip(), value.strip()


def _those_of(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the given parameters that a method has; one over another method has the other's too."""
    from harness.saliency.methods.method_table import parameters_of

    first = {"base": given["base"]} if "base" in given and "base" in parameters_of(name, {}) else {}
    known = parameters_of(name, first)
    return {key: value for key, value in given.items() if key in known}


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


def _of_experiment(name: str, experiment: Path) -> Model:
    """A model of an experiment file."""
    from harness.experiment.reader import read_experiment

    models = {model.name: model for model in read_experiment(experiment).models}
    if name not in models:
        raise ConfigError(f'model: expected one of {experiment.name}, got "{name}"', hint=nearest(name, models))
    return models[name]


def _opened(model: Model, pictures: Sequence[tuple[str, Picture]]) -> OpenModel:
    from harness.models.completion import complete
    from harness.models.loading import load_model

    if model.declared is None:
        return OpenModel(model=model, keras_model=load_model(model))
    done = complete(model, pictures)
    if done.model.unscored:
        raise ConfigError(f'model "{model.name}": {done.model.unscored}, so that there is no class to explain')
    how = "declared" if model.output else "found by their values"
    return OpenModel(model=done.model, keras_model=done.keras_model, inferred=done.said, output_known=how)


def _known_class_names(model: Model) -> tuple[str, ...] | None:
    """What the classes of our own models are called; None where only the user knows."""
    from harness.datasets import cifar10_archive, planted

    card = model_card(model.name) if model.name in CATALOGUE else None
    return {"planted": planted.CLASS_NAMES, "cifar": cifar10_archive.CLASS_NAMES}[card["data"]] if card else None
