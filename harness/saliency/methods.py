"""The table of methods: what exists, from which paper, what it costs and which parameters it takes. No TensorFlow.

Adding a method is a module, a line here, a line in docs/saliency.md and a test. Two shapes exist:
one pass     `method(backward: Backward, *, layers, **parameters) -> (N, H, W, C) or (N, h, w)`: all it needs comes from one
             forward and one backward pass, which several methods share; `needs` says which parts.
many passes  `method(engine, images: Images, **parameters)`: asks the engine for as many passes as it likes.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ConfigError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a method: its default, its unit and what is valid."""

    name: str
    default: bool | int | float | str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: Any, *, where: str) -> bool | int | float | str:
        """The value in the default's type. Raises ConfigError: where, expected, got, nearest valid."""
        got = f"{where} {self.name}: expected {self.expected()}, got {value!r}"
        if isinstance(self.default, bool) or isinstance(value, bool):
            valid = isinstance(value, type(self.default))
        elif isinstance(self.default, str):
            valid = isinstance(value, str)
            if valid and self.choices and value not in self.choices:
                raise ConfigError(got, hint=nearest(value, self.choices))
        else:
            whole = isinstance(self.default, int)
            valid = isinstance(value, int) or (not whole and isinstance(value, float) and value == value)
            valid = valid and (self.minimum is None or value >= self.minimum)
            valid = valid and (self.maximum is None or value <= self.maximum)
        if not valid:
            raise ConfigError(got)
        return type(self.default)(value)

    def expected(self) -> str:
        """Such as `an integer from 1 to 100000`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return f"text ({self.unit})"
        kind = "an integer" if isinstance(self.default, int) else "a number"
        if self.maximum is None:
            return f"{kind} >= {self.minimum:g}" if self.minimum is not None else kind
        return f"{kind} from {self.minimum:g} to {self.maximum:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """Facts of a method that can be read without loading it. Costs are passes per image, in terms of its parameters."""

    load: str
    paper: str
    about: str
    signed: bool
    forward_passes: str
    backward_passes: str
    channels: str = "max_abs"  # usual way to reduce channels, see maps.CHANNELS; "" if the method gives (N, h, w)
    needs: tuple[str, ...] = ()  # one pass: of "input" (gradient), "layer" (features and gradients), "biases"; else ()
    relu: str = "own"  # backward rule of the network's ReLUs that the method asks for: "own" or "guided"
    randomised: bool = False
    parameters: tuple[Parameter, ...] = ()

    @property
    def one_pass(self) -> bool:
        return bool(self.needs)

    @property
    def takes_gradients(self) -> bool:
        return self.backward_passes != "0"

    def function(self) -> Callable[..., Any]:
        """Import the method; only now is anything heavy loaded."""
        module, name = self.load.split(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


STE_CHOICES = ("own", "ste_sign", "ste_identity", "approx_sign", "swish_sign")
STE = Parameter(name="ste", default="own", unit="straight-through estimator of activation quantizers",
                choices=STE_CHOICES)
LAYER = Parameter(name="layer", default="default", unit="layer name, see `bitlens list layers MODEL`")
RELU = Parameter(name="relu", default=True, unit="drop negative values of the map")
INVERT = Parameter(name="invert", default=False, unit="map of what speaks against the class: the weights' signs turned")
SAMPLES = Parameter(name="samples", default=25, unit="noisy copies per image", minimum=1, maximum=100_000)
NOISE_LEVEL = Parameter(name="noise_level", default=0.15, unit="sigma / (max - min) of each image, dimensionless",
                        minimum=0.0, maximum=10.0)
BASE = Parameter(name="base", default="gradient", unit="method applied to each copy",
                 choices=("gradient", "gradcam"))
HERE = "harness.saliency"

METHODS: dict[str, MethodSpec] = {
    "gradient": MethodSpec(
        load=f"{HERE}.gradient:gradient", paper="arXiv:1312.6034", about="derivative of the class logit by the input",
        signed=True, forward_passes="1", backward_passes="1", needs=("input",), parameters=(STE,)),
    "smoothgrad": MethodSpec(
        load=f"{HERE}.smoothgrad:smoothgrad", paper="arXiv:1706.03825", about="mean of a base method over noisy copies",
        signed=True, forward_passes="samples", backward_passes="samples", randomised=True,
        parameters=(NOISE_LEVEL, SAMPLES, BASE)),
    "gradcam": MethodSpec(
        load=f"{HERE}.gradcam:gradcam", paper="arXiv:1610.02391", about="feature maps weighted by their mean gradient",
        signed=False, forward_passes="1", backward_passes="1", channels="", needs=("layer",),
        parameters=(LAYER, RELU, INVERT, STE)),
}


def method_spec(name: str) -> MethodSpec:
    """The spec of a method; an unknown name gets the nearest known one as a hint."""
    if name not in METHODS:
        raise ConfigError(f'"{name}" is not a saliency method', hint=nearest(name, METHODS))
    return METHODS[name]


def parameters_of(name: str, given: Mapping[str, Any], *, where: str = "") -> dict[str, bool | int | float | str]:
    """All parameters of a method: those given, checked, and the defaults of the others.

    where  what the error message begins with, such as `experiment.toml [saliency]`; the method's name if empty.
    """
    known = {parameter.name: parameter for parameter in method_spec(name).parameters}
    if "base" in known:  # a method over another one takes the other one's parameters too
        base = known["base"].check(given.get("base", known["base"].default), where=where or name)
        known.update({parameter.name: parameter for parameter in method_spec(str(base)).parameters})
    where = where or name
    for key in given:
        if key not in known:
            raise ConfigError(f'{where} {key}: "{name}" has no such parameter', hint=nearest(key, known))
    return {key: parameter.check(given.get(key, parameter.default), where=where) for key, parameter in known.items()}
