"""What `bitlens explain` is asked for: its options, and the methods, metrics, device and classes that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomllib

from harness.cli.explain_model import OwnModelOptions, has_gradients, is_flatbuffer_model, model_record
from harness.errors import ConfigError, nearest, shown
from harness.models.catalogue import CATALOGUE, Model, model_card
from harness.outputs import ONE_COLUMN
from harness.registry import look_up
from harness.regular_files import MIB, read_text
from harness.saliency.precision import BINARIZED, FLOAT32, check_precision, float32_hint, refused_for

if TYPE_CHECKING:
    from harness.cli.explain_image import Method
    from harness.devices.device import Device

Names = Sequence[str]
DEFAULT_METHODS = ("gradient", "smoothgrad", "gradcam")
DEFAULT_METHODS_OF_SCORES = ("rise", "occlusion")  # of a flatbuffer
MOST_LABELS = 16 * MIB
MOST_DIGITS = 20  # of a class's number
DEFAULT_METRICS = ("insertion_auc", "deletion_auc", "sparseness", "entropy", "total_variation")


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
    device: str | None = None
    precision: str = FLOAT32
    plain: bool = False

    def chosen_methods(self, model: Model) -> list[Method]:
        """The methods asked for, each with those of the given parameters that it has.

        Raises ConfigError for a parameter that none of them has, or that is out of its range, and for a method that
        takes gradients of a flatbuffer alone.
        """
        from harness.cli.explain_image import Method
        from harness.saliency.methods.method_table import METHODS, parameters_of

        gives_gradients = has_gradients(model)
        default = DEFAULT_METHODS if gives_gradients else DEFAULT_METHODS_OF_SCORES
        names, given = list(dict.fromkeys(self.methods or default)), dict(map(_parameter, self.parameters))
        for name in names:
            if look_up(METHODS, name, where="--method", what="method").takes_gradients and not gives_gradients:
                others = ", ".join(other for other, spec in METHODS.items() if not spec.takes_gradients)
                raise ConfigError(
                    f'--method: "{name}" takes gradients, and "{self.model}" is a flatbuffer, which has none',
                    hint=f"--keras FILE, a Keras file of the same model; or one of {others}",
                )
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

    def check_precision(self, model: Model, methods: Sequence[Method]) -> None:
        """Raises ConfigError for what is no precision, and for one that is not for this CPU, model or any method."""
        from harness.saliency.methods.method_table import METHODS

        check_precision(self.precision, where="--precision")
        if self.precision == FLOAT32:
            return
        if not any(METHODS[method.name].takes_gradients for method in methods):
            names = ", ".join(method.name for method in methods)
            raise ConfigError(f"--precision: for methods of gradients, got {names}", hint=float32_hint("--precision"))
        if model.float_model.family == "binarized":
            raise refused_for(self.model, BINARIZED, where="--precision")

    def chosen_device(self, model: Model) -> Device | None:
        """Where forward passes are done; None for this host. Raises ConfigError for a model that no device runs."""
        from harness.devices.known import find_device

        if self.device is None:
            return None
        if not is_flatbuffer_model(model):
            raise ConfigError(
                f'--device: "{self.model}" is no flatbuffer, and devices run nothing else',
                hint="`bitlens convert` makes one of it, which `bitlens explain` takes",
            )
        return find_device(self.device)

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

    def model_record(self) -> Model:
        """The model asked for, as far as it is known before its file is opened."""
        return model_record(self.model, self.own, experiment=self.experiment, weights=self.weights, seed=self.seed)

    def class_names(self, model: Model) -> tuple[str, ...]:
        """What the classes are called: by the labels file, by our own data sets, or by their numbers.

        Of a model with one output, a single name is that of class 1.
        """
        if self.labels is None:
            return known_class_names(model) or tuple(f"class {i}" for i in range(model.classes))
        lines = read_text(self.labels, where="--labels", at_most=MOST_LABELS).splitlines()
        names = tuple(line.strip() for line in lines if line.strip())
        if model.output in ONE_COLUMN and len(names) == 1:
            return f"not {names[0]}", names[0]
        if len(names) != model.classes:
            behind = model.is_flatbuffer and len(names) == model.classes - 1
            raise ConfigError(
                f'--labels: expected {model.classes} names, one on each line of "{self.labels}", got {len(names)}',
                hint='--background-class if its class 0 is "background"' if behind else "",
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


def known_class_names(model: Model) -> tuple[str, ...] | None:
    """What the classes of our own models are called; None where only the user knows."""
    from harness.datasets import cifar10_archive, planted

    card = model_card(model.name) if model.name in CATALOGUE else None
    if card is None:
        return None
    named = {"planted": planted.CLASS_NAMES, "cifar": cifar10_archive.CLASS_NAMES}
    return named.get(card["data"]) or tuple(card["class_names"])
