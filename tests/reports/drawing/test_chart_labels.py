"""Where names stand: never on a mark or on another name, never outside, and beside their mark where there is room."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.drawing.labels import LONGEST_NAME, NO_BOXES, Mark, Place, places, shortened, text_width

WIDTH, HEIGHT = 600, 330


def mark(x: float, y: float, name: str = "planted-binary lce", *, important: bool = False) -> Mark:
    return Mark(x=x, y=y, radius=8, name=name, important=important)


def meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def named(marks: list[Mark], lines: np.ndarray = NO_BOXES) -> list[Place | None]:
    return places(marks, lines, width=WIDTH, height=HEIGHT)


coordinates = st.tuples(st.floats(10, WIDTH - 10), st.floats(10, HEIGHT - 10), st.text(max_size=40), st.booleans())


@given(st.lists(coordinates, max_size=16))
@settings(max_examples=25, deadline=None)
def test_no_name_covers_another_or_a_mark_or_leaves_the_plot(drawn: list[tuple[float, float, str, bool]]) -> None:
    marks = [mark(x, y, name, important=important) for x, y, name, important in drawn]
    found = named(marks)
    boxes = [place.box for place in found if place]
    assert not any(meet(one, other) for one, other in itertools.combinations(boxes, 2))
    for own, place in zip(marks, found):
        if place:
            others = [m for m in marks if m is not own]
            assert not any(meet(place.box, (m.x - 8, m.y - 8, m.x + 8, m.y + 8)) for m in others)
            assert 0 <= place.box[0] <= place.box[2] <= WIDTH
            assert 0 <= place.box[1] <= place.box[3] <= HEIGHT


def test_a_lonely_name_stands_right_beside_its_mark_without_a_line() -> None:
    [place] = named([mark(100, 100)])
    assert place
    assert (place.align, place.dx, place.dy, place.is_apart) == ("left", 11, 0, False)


def test_a_mark_at_the_right_edge_has_its_name_on_the_left() -> None:
    [place] = named([mark(WIDTH - 10, 100)])
    assert place
    assert place.align == "right"


def test_names_keep_off_lines() -> None:
    across = np.array([[100.0, 99.0, 600.0, 101.0], [0.0, 99.0, 100.0, 101.0]])
    [place] = named([mark(100, 100)], across)
    assert place
    assert place.dy != 0


def test_marks_in_one_heap_have_their_names_around_it_with_lines() -> None:
    found = named([mark(300 + i, 160 + i) for i in range(8)])
    assert None not in found
    assert sum(place.is_apart for place in found if place) >= 2


def test_an_important_name_has_the_better_place() -> None:
    found = named([mark(300, 160), mark(300, 160, important=True)])
    assert found[1]
    assert (found[1].align, found[1].is_apart) == ("left", False)


def test_where_there_is_no_room_a_name_is_left_out() -> None:
    assert places([mark(20, 20, "a name wider than the plot")], NO_BOXES, width=60, height=40) == [None]


def test_a_long_name_keeps_its_ends() -> None:
    assert shortened("x" * LONGEST_NAME) == "x" * LONGEST_NAME
    short = shortened(f"model-{'y' * 60}, 2 threads")
    assert len(short) <= LONGEST_NAME
    assert short.startswith("model-")
    assert short.endswith("y, 2 threads")


def test_wide_letters_are_as_wide_as_high() -> None:
    assert text_width("网络") == 2 * text_width("网")
    assert text_width("iii") < text_width("mmm") < text_width("mmm", bold=True)
