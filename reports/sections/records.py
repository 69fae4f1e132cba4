"""Records: rows as plain values, for charts and templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.data import formatting
from reports.data.view import FLOAT

Records = list[dict[str, Any]]


def picked(row: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    """Some values of a row, None where pandas calls them missing."""
    return {name: formatting.plain(row[name]) for name in names}


def judged_by_float(summary: pd.DataFrame) -> pd.DataFrame:
    """The rows of a summary of scores that the Keras model gave, and that have a mean."""
    return summary[(summary["judge"] == FLOAT) & summary["mean"].notna()]
