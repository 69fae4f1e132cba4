"""The errors that a person at the keyboard can act on.

BitlensError
├── ConfigError        a request that cannot be carried out as written: exit code 2
├── ConversionError    a model that could not become an artifact
├── DeviceError        a device that could not be reached, or failed
└── MeasurementError   a measurement that began and failed
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Control characters, marks that turn the direction of text, and surrogates, by which Python holds bytes of file names.
_NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FIRST_LONE_BYTE = 0xDC80


class BitlensError(Exception):
    """One clear sentence: where, what was expected, what came; `hint` says what to try."""

    exit_code = 1

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(printable(f"{problem}\n  try: {hint}" if hint else problem))


class ConfigError(BitlensError):
    exit_code = 2


class ConversionError(BitlensError):
    pass


class DeviceError(BitlensError):
    pass


class MeasurementError(BitlensError):
    pass


def printable(text: str) -> str:
    """The text with what a terminal would obey, or no encoding takes, as escapes: \\x1b, and \\xe9 for a lone byte.

    File names and other people's messages may hold either. Tabs and line ends stay.
    """
    return _NOT_PRINTABLE.sub(lambda match: _escaped(ord(match[0])), text)


def shown(value: object, *, limit: int = 80) -> str:
    """A value from outside as a sentence can bear it: cut when it is long, a text in quotes."""
    try:
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    except (ValueError, RecursionError):  # an integer of 5,000 digits, tables in tables
        return f"a value of type {type(value).__name__} that is too long to show"
    return text if len(text) <= limit else f"{text[:limit]} …"


def _escaped(code: int) -> str:
    if _FIRST_LONE_BYTE <= code < _FIRST_LONE_BYTE + 0x80:
        code -= _FIRST_LONE_BYTE - 0x80
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def reason_of(error: Exception) -> str:
    """What is stored and shown of an error: our own sentence, or a foreign error with its type."""
    return str(error) if isinstance(error, BitlensError) else f"{type(error).__name__}: {error}"


def one_line(error: Exception, *, limit: int = 200) -> str:
    """The first line of somebody else's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines[0]) <= limit else lines[0][:limit] + " …"


def quoted(names: Iterable[str], *, most: int = 4) -> str:
    """Names in quotes, the first few of many: `"a", "b" and 7 more`."""
    names = list(names)
    shown = ", ".join(f'"{name}"' for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def counted(number: int, thing: str) -> str:
    """ "1 unit of work", "2 units of work"."""
    first, _, rest = thing.partition(" ")
    return f"{number:,} {first}{'s' * (number != 1)}{' ' * bool(rest)}{rest}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest known word, or all of them when none is close."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f'"{close[0]}"' if close else "one of " + ", ".join(known)
