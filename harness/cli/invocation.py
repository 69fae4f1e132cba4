"""The command that this process was started with."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "bitlens"


def as_typed() -> str:
    """Such as "bitlens demo --out x": a line that this very shell takes."""
    return shlex.join([_program(), *sys.argv[1:]])


def with_option(option: str) -> str:
    """The same, with an option that it may have already."""
    return as_typed() if option in sys.argv else f"{as_typed()} {option}"


def from_anywhere() -> str:
    """A line for a shell that does the same from any folder: relative paths, typed or default, keep their meaning."""
    return f"cd {shlex.quote(str(Path.cwd()))} && {as_typed()}"


def _program() -> str:
    """Its name, or the path that was typed where a shell would find another program by the name, or none."""
    typed, found = sys.argv[0], shutil.which(NAME)
    if os.path.basename(typed) != NAME or typed == NAME:  # such as python -m
        return NAME
    return NAME if found and os.path.realpath(found) == os.path.realpath(typed) else typed
