"""The errors that a person at the keyboard can act on.

BitlensError
├── ConfigError        a request that cannot be carried out as written: exit code 2
├── ConversionError    a model that could not become an artifact
├── DeviceError        a device that could not be reached, or failed
└── MeasurementError   a measurement that began and failed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BitlensError(Exception):
    """One clear sentence: where, what was expected, what came; `hint` says what to try."""

    exit_code = 1

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{problem}\n  try: {hint}" if hint else problem)


class ConfigError(BitlensError):
    exit_code = 2


class ConversionError(BitlensError):
    pass


class DeviceError(BitlensError):
    pass


class MeasurementError(BitlensError):
    pass


def reason_of(error: Exception) -> str:
    """What is stored and shown of an error: our own sentence, or a foreign error with its type."""
    return str(error) if isinstance(error, BitlensError) else f"{type(error).__name__}: {error}"


def one_line(error: Exception, *, limit: int = 200) -> str:
    """The first line of somebody else's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines[0]) <= limit else lines[0][:limit] + " …"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or all of them when none is close."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f'"{close[0]}"' if close else "one of " + ", ".join(known)
