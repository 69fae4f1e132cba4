"""Pages of docs/ whose tables scripts fill, between the marks `<!-- name -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path


def fill(path: Path, tables: Mapping[str, str]) -> None:
    """Put tables between their marks. Raises SystemExit for one that has no place there."""
    path.write_text(filled(path.read_text(), tables, where=str(path)))


def filled(page: str, tables: Mapping[str, str], *, where: str) -> str:
    for name, table in tables.items():
        page, places = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\g<2>", page, flags=re.DOTALL)
        if places != 1:
            raise SystemExit(f"{where}: expected one place for the table {name}, found {places}")
    return page
