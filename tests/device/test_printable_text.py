"""Text of anybody's, made fit for a terminal and a report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.text import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("pi\u202egnp.exe", r"pi\u202egnp.exe"),
        ("a\x9b31mred", r"a\x9b31mred"),
        ("zero\u200bwidth \ud800", r"zero\u200bwidth \ud800"),
        ("Grüße, 温度 µ\n\tsecond line", "Grüße, 温度 µ\n\tsecond line"),
    ],
)
def test_what_moves_a_cursor_or_hides_is_written_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_name_is_one_line_however_many_it_had() -> None:
    assert one_line("ada\n\r\tfrom pi") == r"ada\n\r\tfrom pi"


@given(st.text(max_size=300), st.integers(10, 100))
def test_any_text_ends_up_printable_and_bounded(text: str, most: int) -> None:
    shown = printable(text, most=most)
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    assert len(shown) <= 10 * (most + 5)  # the longest escape is \U0010ffff
    shown.encode("utf-8")
