"""Numbers as people read them: milliseconds, MiB, percent. Unknown is a dash, never a zero."""

from __future__ import annotations

from typing import Any

import pandas as pd

UNKNOWN = "–"


def known(value: Any) -> bool:
    return value is not None and not pd.isna(value)


def milliseconds(ns: Any) -> str:
    return _significant(ns / 1e6) if known(ns) else UNKNOWN


def mebibytes(count: Any) -> str:
    return _significant(count / 2**20) if known(count) else UNKNOWN


def percent(fraction: Any) -> str:
    return f"{100 * fraction:.1f}" if known(fraction) else UNKNOWN


def percent_interval(low: Any, high: Any) -> str:
    return f"{percent(low)} to {percent(high)}" if known(low) and known(high) else ""


def decimal(value: Any) -> str:
    return f"{value:.3f}" if known(value) else UNKNOWN


def whole(value: Any) -> str:
    return f"{int(value):,}".replace(",", "\u202f") if known(value) else UNKNOWN


def text(value: Any) -> str:
    return str(value) if known(value) else ""


def plain(value: Any) -> Any:
    """A value as JSON has it: None for what pandas calls missing."""
    if not known(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _significant(value: float) -> str:
    """Three digits: 0.123, 1.23, 12.3, 123, 1234."""
    return f"{value:.{0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3}f}"


FILTERS = {
    "milliseconds": milliseconds,
    "mebibytes": mebibytes,
    "percent": percent,
    "percent_interval": percent_interval,
    "decimal": decimal,
    "whole": whole,
    "text": text,
    "plain": plain,
}
