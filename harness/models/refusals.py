"""What the examination of a model file may end with, other than a model."""

from __future__ import annotations

from collections.abc import Iterable


class Unreadable(Exception):
    """The file is damaged, made to do harm by its size or shape, or of a kind that is not read."""


class Unsafe(Exception):
    """The file holds what is not on the list of what model files may hold; `found` says what, and where."""

    def __init__(self, found: Iterable[str]) -> None:
        self.found = tuple(dict.fromkeys(found))
        super().__init__(", ".join(self.found))


def words(text: object, *, limit: int = 60) -> str:
    """Text of the file as part of a sentence: on one line, without control codes, and not long."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in str(text)[: limit + 1])
    return shown if len(shown) <= limit else shown[:limit] + "…"
