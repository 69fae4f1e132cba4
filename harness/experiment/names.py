"""Names in an experiment file: of what there is, and each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import ConfigError
from harness.registry import look_up


def require_known(names: Iterable[str], table: Mapping[str, Any], *, where: str, what: str) -> None:
    for name in names:
        look_up(table, name, where=where, what=what)


def require_unique(names: list[str], *, where: str, hint: str = "") -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f'{where}: expected every name once, got "{min(twice)}" more than once', hint=hint)
