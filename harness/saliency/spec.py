"""What the table says of a method and of each of its parameters, and the checking of a parameter's value."""

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


def complete_parameters(
    name: str, known: Mapping[str, Parameter], given: Mapping[str, Any], *, where: str
) -> dict[str, bool | int | float | str]:
    """All parameters that `name`, a method or metric, has: those given, checked, and the defaults of the others."""
    for key in given:
        if key not in known:
            raise ConfigError(f'{where} {key}: "{name}" has no such parameter', hint=nearest(key, known))
    return {key: parameter.check(given.get(key, parameter.default), where=where) for key, parameter in known.items()}


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
    needs: tuple[str, ...] = ()  # one pass: of "input" (gradient), "layer" (features and gradients); else ()
    relu: str = "own"  # backward rule of the network's ReLUs that the method asks for: "own" or "guided"
    randomised: bool = False
    caveat: str = ""  # what a reader of its maps must be told
    parameters: tuple[Parameter, ...] = ()

    @property
    def one_pass(self) -> bool:
        return bool(self.needs)

    @property
    def takes_gradients(self) -> bool:
        return self.backward_passes != "0"

    @property
    def forward_only(self) -> bool:
        """Whether scores are all that the method asks of a network: neither gradients nor features."""
        return not self.takes_gradients and all(parameter.name != "layer" for parameter in self.parameters)

    def function(self) -> Callable[..., Any]:
        """Import the method; only now is anything heavy loaded."""
        module, name = self.load.split(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
