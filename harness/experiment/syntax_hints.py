"""What to try where a file is no TOML at all: the parser says what it could not read, and not what was meant."""

from __future__ import annotations

import re

from harness.experiment.brackets import Place, place_at
from harness.experiment.toml_text import as_toml

_HEADER = re.compile(r"^\s*\[+\s*([\w.-]+?)\s*\]*\s*(#.*)?$")
_BARE = re.compile(r"^\s*[\w.-]+\s*=\s*([^\s\"'\[{#][^#]*?)\s*(#.*)?$")
_OF_PYTHON = {"True": "true", "False": "false", "None": "the key left out"}


def hint_of(text: str, problem: str) -> str:
    """Of a TOML text and what its parser said of it; "" where that says enough."""
    line = _line(text, problem)
    header, bare = _HEADER.match(line), _BARE.match(line)
    place = place_at(tuple(header[1].split("."))) if header else None
    if place is not None:
        return _several(place) if "twice" in problem or "Cannot" in problem else place.heading
    if bare and "Invalid value" in problem:
        return _OF_PYTHON.get(bare[1], f"texts in quotes: {as_toml(bare[1])}")
    return "every key of a table once" if "overwrite" in problem else ""


def _line(text: str, problem: str) -> str:
    number = re.search(r"at line (\d+)", problem)
    lines = text.split("\n")
    return lines[int(number[1]) - 1] if number and int(number[1]) <= len(lines) else ""


def _several(place: Place) -> str:
    """A table that stands twice, or in one and in two brackets."""
    name = ".".join(place.path)
    if place.path == ("dataset",):
        return "[[dataset]] before each of them"
    inner = f", and [{name}.preprocessing] below the one that it belongs to" if place.path == ("model",) else ""
    return f"[[{name}]] before each of them{inner}" if place.several else f"one {place.heading}, with all its keys"
