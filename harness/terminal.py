"""What may be shown where: a terminal that can be drawn on, or lines alone."""

from __future__ import annotations

import os
from typing import Any


def takes_lines_alone(stream: Any) -> bool:
    """Whether nothing may be coloured or drawn again there: a pipe or file, a dumb terminal, or NO_COLOR is set."""
    return wants_no_colour() or not stream.isatty()


def wants_no_colour() -> bool:
    """By https://no-color.org, or because the terminal has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
