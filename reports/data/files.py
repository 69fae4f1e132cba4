"""Writing files: CSV that spreadsheets cannot execute, and never half a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute a cell that begins so


def csv_text(table: pd.DataFrame) -> str:
    """RFC 4180 with LF ends, empty for unknown. Text that a spreadsheet would execute gets a leading apostrophe."""
    text_columns = table.select_dtypes(include=["string", "object"]).columns
    safe = table.assign(**{name: table[name].map(_harmless, na_action="ignore") for name in text_columns})
    return safe.rename(columns=_harmless).to_csv(index=False, lineterminator="\n")


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write beside and rename: a reader, or a kill, never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
