"""Reasons and remarks of many rows, each said once: numbered notes, in which figures that differ become a range."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SEPARATOR = "; "  # between the reasons of one row
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?!\.?\w)")  # not a part of a name or a version
SAID = ("verdict_reason", "reason", "note", "runtime_note", "fidelity_reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One reason of some rows. `number` is what a row refers to it by."""

    number: int
    text: str
    rows: int


class Notes:
    """The notes of a table, numbered in the order in which its rows need them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._examples: dict[str, list[str]] = {}
        self._rows: dict[str, int] = {}
        for row in rows:
            reasons = [reason for column in SAID for reason in _reasons(row[column])]
            for reason in reasons:
                self._examples.setdefault(_skeleton(reason), []).append(reason)
            for skeleton in set(map(_skeleton, reasons)):
                self._rows[skeleton] = self._rows.get(skeleton, 0) + 1
        self._numbers = {skeleton: number for number, skeleton in enumerate(self._examples, start=1)}

    def __iter__(self) -> Iterator[Note]:
        for skeleton, number in self._numbers.items():
            yield Note(number=number, text=_merged(self._examples[skeleton]), rows=self._rows[skeleton])

    def numbers(self, *texts: str) -> tuple[int, ...]:
        """Those of all reasons in these texts of a row."""
        return tuple(dict.fromkeys(self._numbers[_skeleton(reason)] for text in texts for reason in _reasons(text)))


def _reasons(text: str) -> list[str]:
    return [reason for reason in text.split(SEPARATOR) if reason]


def _skeleton(reason: str) -> str:
    return NUMBER.sub("#", reason)


def _merged(reasons: Sequence[str]) -> str:
    """One sentence for reasons that differ in figures only: "7 °C" and "9 °C" are "7 to 9 °C"."""
    figures = iter(list(zip(*map(NUMBER.findall, reasons))))
    return NUMBER.sub(lambda _: _range(next(figures)), reasons[0])


def _range(figures: Sequence[str]) -> str:
    low, high = min(figures, key=float), max(figures, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
