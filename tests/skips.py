"""What `make test` left out on this machine: how many tests, why, and what to install."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

TITLE = "skipped on this machine, and what each group needs"


def skip_lines(reasons: Iterable[str]) -> list[str]:
    """A line for each reason with its number of tests, the most frequent first. A hint follows its reason."""
    counts = Counter(_in_one_line(reason) for reason in reasons)
    return [f"{count:5} {reason}" for reason, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _in_one_line(reason: str) -> str:
    return " ".join(reason.removeprefix("Skipped: ").replace("\n  try:", "; try:").split())
