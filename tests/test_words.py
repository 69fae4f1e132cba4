"""One word for one thing, the field's own: words that were given up do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GIVEN_UP = {
    "workshop": "run context",
    "shelf": "unit inputs",
    "crew": "worker pool",
    "dice": "random numbers",
    "glances?": "sample of the sensors",
    "anew": "again",
}
NAMES_THEM = ("0050-the-house.md", "CHANGELOG.md", Path(__file__).name)  # what was renamed, and this list
PAGES = [
    path
    for folder in ("harness", "converters", "device", "reports", "tests", "benchmarks", "docs", "examples")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".md", ".html", ".js", ".toml", ".cc", ".c", ".h") and path.name not in NAMES_THEM
]


@pytest.mark.parametrize(("word", "instead"), GIVEN_UP.items())
def test_a_word_that_was_given_up_stands_nowhere(word: str, instead: str) -> None:
    pattern = re.compile(rf"(?<![A-Za-z]){word}(?![A-Za-z])", re.IGNORECASE)
    assert {str(path.relative_to(ROOT)): instead for path in PAGES if pattern.search(path.read_text())} == {}
