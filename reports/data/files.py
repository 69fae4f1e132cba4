"""CSV that spreadsheets cannot execute."""

from __future__ import annotations

import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute a cell that begins so


def csv_text(table: pd.DataFrame) -> str:
    """RFC 4180 with LF ends, empty for unknown. Text that a spreadsheet would execute gets a leading apostrophe."""
    text_columns = table.select_dtypes(include=["string", "object"]).columns
    safe = table.assign(**{name: table[name].map(_harmless, na_action="ignore") for name in text_columns})
    return safe.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
