"""Reasons are said once, and nothing but their figures may differ in one note."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reports.sections.reasons import SAID, Note, Notes


def row(**reasons: str) -> dict[str, str]:
    return dict.fromkeys(SAID, "") | reasons


def test_a_reason_of_many_rows_is_one_note_with_the_range_of_its_figures() -> None:
    notes = Notes(
        [
            row(verdict_reason="drifting: the last third took +10%; it was warm"),
            row(verdict_reason="drifting: the last third took -4%"),
            row(),
        ]
    )
    assert list(notes) == [
        Note(number=1, text="drifting: the last third took -4 to +10%", rows=2),
        Note(number=2, text="it was warm", rows=1),
    ]
    assert notes.numbers("it was warm; drifting: the last third took -4%") == (2, 1)
    assert notes.numbers("") == ()


def test_versions_and_names_with_digits_are_not_figures() -> None:
    notes = Notes([row(note="of tflite-runtime 2.14.0 on pi4"), row(note="of tflite-runtime 2.19.1 on pi5")])
    assert [note.text for note in notes] == ["of tflite-runtime 2.14.0 on pi4", "of tflite-runtime 2.19.1 on pi5"]


def test_a_row_that_gives_one_reason_twice_counts_once() -> None:
    notes = Notes([row(reason="latency round 0: not done yet; latency round 2: not done yet")])
    assert list(notes) == [Note(number=1, text="latency round 0 to 2: not done yet", rows=1)]


@given(st.lists(st.text(st.sampled_from("ab 1.-+;%"), max_size=12), max_size=6))
def test_every_reason_has_a_note_and_every_note_has_rows(texts: list[str]) -> None:
    notes = Notes([row(verdict_reason=text) for text in texts])
    numbers = {number for text in texts for number in notes.numbers(text)}
    assert numbers == {note.number for note in notes}
    assert all(1 <= note.rows <= len(texts) for note in notes)
