"""What is said to the person at the keyboard while a command works, beside its results; the log of a run keeps all.

`say` is for what a person wants to know now, `detail` for what explains it later. --quiet and --verbose choose what is
shown of it.
"""

from __future__ import annotations

import logging
import sys

from harness.errors import printable

SAID, DETAIL, LOGGED = logging.INFO, logging.DEBUG, logging.DEBUG - 1


class _Keyboard(logging.Handler):
    """The error stream, as it is when something is said."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr, flush=True)


_keyboard = _Keyboard(SAID)
_sayings = logging.getLogger("bitlens")
_sayings.setLevel(LOGGED)
_sayings.propagate = False
_sayings.addHandler(_keyboard)


def say(line: str) -> None:
    """One line for whoever watches, unless he asked for quiet."""
    _sayings.log(SAID, "%s", printable(line))


def detail(line: str) -> None:
    """One line for who asked for more, and for the log."""
    _sayings.log(DETAIL, "%s", printable(line))


def record(text: str) -> None:
    """For the log alone: what is shown elsewhere."""
    _sayings.log(LOGGED, "%s", printable(text))


def show(*, quiet: bool = False, verbose: bool = False) -> None:
    """What of it is shown from now on: nothing, all, or what is said."""
    _keyboard.setLevel(logging.CRITICAL if quiet else DETAIL if verbose else SAID)


def is_shown() -> bool:
    """Whether anything is shown at all."""
    return _keyboard.level <= SAID


def keep_in(log: logging.Handler) -> None:
    """Also give all of it to this one, until it is given up."""
    _sayings.addHandler(log)


def give_up(log: logging.Handler) -> None:
    _sayings.removeHandler(log)


def duration(seconds: float) -> str:
    """In the unit that a person would use: "0.4 s", "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return "under 0.1 s" if 0 < seconds < 0.05 else f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
