"""The command that this process was started with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def as_typed() -> str:
    """Such as "bitlens demo --out x", whatever the path of the program."""
    return shlex.join(["bitlens", *sys.argv[1:]])


def from_anywhere() -> str:
    """A line for a shell that does the same from any folder: relative paths, typed or default, keep their meaning."""
    return f"cd {shlex.quote(str(Path.cwd()))} && {as_typed()}"
