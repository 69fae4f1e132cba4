"""One parameter of a saliency method or a metric: its default, its unit, and the checking of a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from harness.errors import ConfigError, nearest, shown

MOST_SEED = 2**32 - 1  # what NumPy, and Keras with it, take
MOST_SIDE = 8192  # pixels of a model's input, or of an image before it is cropped to it
MOST_TEXT = 1000  # characters, such as of a layer's name
MOST_NUMBER = 2**53  # of a parameter without a bound of its own: what a float holds exactly


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a method: its default, its unit and what is valid.

    aliases  other words for a value, as (word, value); what is stored is the value.
    """

    name: str
    default: bool | int | float | str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()

    def check(self, value: Any, *, where: str) -> bool | int | float | str:
        """The value in the default's type. Raises ConfigError: where, expected, got, nearest valid."""
        got = f"{where} {self.name}: expected {self.expected()}, got {shown(value)}"
        if isinstance(self.default, bool) or isinstance(value, bool):
            valid = isinstance(self.default, bool) and isinstance(value, bool)
        elif isinstance(self.default, str):
            valid = isinstance(value, str) and len(value) <= MOST_TEXT
            value = dict(self.aliases).get(value, value) if valid else value
            if valid and self.choices and value not in self.choices:
                raise ConfigError(got, hint=nearest(value, self.choices))
        else:
            whole = isinstance(self.default, int)
            valid = isinstance(value, int) or (not whole and isinstance(value, float))
            valid = valid and -MOST_NUMBER <= value <= MOST_NUMBER  # and so neither NaN nor infinite
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


def whole_number(value: Any, *, where: str, least: int, most: int) -> int:
    """The value, if it is a whole number within these bounds. Raises ConfigError: where, expected, got."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise ConfigError(f"{where}: expected an integer from {least:,} to {most:,}, got {shown(value)}")
    return int(value)


def complete_parameters(
    name: str, known: Mapping[str, Parameter], given: Mapping[str, Any], *, where: str
) -> dict[str, bool | int | float | str]:
    """All parameters that `name`, a method or metric, has: those given, checked, and the defaults of the others."""
    for key in given:
        if key not in known:
            raise ConfigError(f'{where} {key}: "{name}" has no such parameter', hint=nearest(key, known))
    return {key: parameter.check(given.get(key, parameter.default), where=where) for key, parameter in known.items()}
