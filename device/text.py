"""Text that somebody else wrote, made fit to be shown: it neither moves a terminal's cursor nor fills a page."""

from __future__ import annotations

MOST_CHARACTERS = 20_000


def printable(text: str, *, most: int = MOST_CHARACTERS) -> str:
    """The text with its control, format and unassigned characters written as Python escapes, and cut at its middle.

    Line ends and tabs stay. An escape code, a bidirectional override and a lone surrogate do not.
    """
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[len(text) - most // 2 :]}"
    return "".join(character if _is_harmless(character) else _escaped(character) for character in text)


def one_line(text: str, *, most: int = 200) -> str:
    """The same, for a name: line ends and tabs are written as escapes too."""
    return printable(text, most=most).replace("\n", "\\n").replace("\t", "\\t")


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
