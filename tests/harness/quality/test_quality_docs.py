"""docs/quality.md shows the tables as they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.quality.agreement_metrics import AGREEMENTS
from harness.quality.controls import CONTROLS
from harness.quality.metrics.metric_table import METRICS

PAGE = Path(__file__).parents[3] / "docs" / "quality.md"


def metrics() -> Iterator[str]:
    yield "| metric | better | unit | what it says | pitfall | needs | source |"
    yield "|---|---|---|---|---|---|---|"
    for name, row in METRICS.items():
        needs = ", ".join(row.needs)
        yield f"| `{name}` | {row.better} | {row.unit} | {row.summary} | {row.pitfall} | {needs} | {row.paper} |"


def agreements() -> Iterator[str]:
    yield "| agreement | better | unit | what it says | pitfall | source |"
    yield "|---|---|---|---|---|---|"
    for name, row in AGREEMENTS.items():
        yield f"| `{name}` | {row.better} | {row.unit} | {row.summary} | {row.pitfall} | {row.paper} |"


def controls() -> Iterator[str]:
    yield "| control | what it is |"
    yield "|---|---|"
    for name, row in CONTROLS.items():
        yield f"| `{name}` | {row.summary} |"


TABLES = {"metrics": metrics, "agreements": agreements, "controls": controls}


def written(page: str) -> str:
    """The page with its tables as the code has them."""
    for name, lines in TABLES.items():
        table = "\n".join(lines())
        page = re.sub(f"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", page, count=1, flags=re.DOTALL)
    return page


@pytest.mark.parametrize("name", TABLES)
def test_the_page_shows_the_table_of_the_code(name: str) -> None:
    assert "\n".join(TABLES[name]()) in PAGE.read_text(), (
        f"write it again: python -m tests.harness.quality.{Path(__file__).stem}"
    )


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
