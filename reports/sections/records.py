"""Records: rows as plain values, for charts and templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.data import formatting

Records = list[dict[str, Any]]


def picked(row: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    """Some values of a row, None where pandas calls them missing."""
    return {name: formatting.plain(row[name]) for name in names}
