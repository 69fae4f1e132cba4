"""How a row of a plug-in table finds its code: a string "module:name", imported on first use.

So that listing what exists imports no framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, TypeVar

from harness.errors import ConfigError, nearest

Row = TypeVar("Row")


def resolve(reference: str) -> Any:
    """The object that "package.module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def look_up(table: Mapping[str, Row], name: str, *, where: str, what: str) -> Row:
    """The row called `name`. Raises ConfigError that names the nearest row when there is none."""
    if name not in table:
        raise ConfigError(f'{where}: expected a {what}, got "{name}"', hint=nearest(name, table))
    return table[name]
