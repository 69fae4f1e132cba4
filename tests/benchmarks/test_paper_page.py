"""docs/paper.md and docs/power.md hold what docs/paper.json says, and their tables say it right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import paper_page
from benchmarks.marked_tables import filled
from benchmarks.paper_numbers import Level, Numbers, as_json, from_json
from benchmarks.paper_page import LINES, NUMBERS, PAPER, POWER, Line, lines_table, power_table
from benchmarks.paper_picture import picture
from reports.comparing.markdown import answers_markdown
from reports.data.stats import Interval
from reports.sections.answers import Answer, Finding
from reports.sections.claims import CLAIMS

GROWTH = Finding(
    section="1",
    claim="It grows",
    contrast="a / b",
    what="growth of the map",
    interval=Interval(value=0.02, low=-0.02, high=0.06),
    expected="above 0",
    verdict="unclear",
    p=1.0,
    images=64,
    seeds=3,
    needed=524,
)
DECAY = replace(GROWTH, what="decay of the map", needed=80)
GROWS = Answer(
    section="1", claim="It grows", contrast="a / b", verdict="unclear", findings=(GROWTH, DECAY), corrected="unclear"
)


def numbers(*answers: Answer) -> Numbers:
    sweep = [
        Level(
            contrast="a / b", family=family, noise_level=level, score=Interval(value=0.5, low=0.4, high=0.6), random=0.3
        )
        for family in ("full-precision", "binarized")
        for level in (0.01, 0.1)
    ]
    return Numbers(answers=list(answers), sweep=sweep)


def test_pages_show_the_stored_numbers() -> None:
    stored = from_json(NUMBERS.read_text(encoding="utf-8"))
    assert answers_markdown(stored.answers) in PAPER.read_text(encoding="utf-8")
    assert lines_table(stored) in PAPER.read_text(encoding="utf-8")
    assert power_table(stored) in POWER.read_text(encoding="utf-8")


def test_the_first_table_has_twelve_lines_and_leaves_out_no_claim() -> None:
    assert len(LINES) == 12
    assert [claim for line in LINES for claim, *_ in line.shown] == [claim for _, claim, _ in CLAIMS]
    assert all(line.answer for line in LINES)


def test_each_line_names_a_number_that_is_there() -> None:
    stored = from_json(NUMBERS.read_text(encoding="utf-8"))
    for line in LINES:
        for claim, number, _ in line.shown:
            findings = [each for answer in stored.answers if answer.claim == claim for each in answer.findings]
            assert any(finding.what.startswith(number) for finding in findings), (claim, number)


def test_numbers_are_the_same_after_a_file() -> None:
    assert from_json(as_json(numbers(GROWS))) == numbers(GROWS)


def test_a_line_has_its_number_and_the_verdict_of_the_whole_claim() -> None:
    line = Line(answer="Perhaps.", shown=(("It grows", "growth", "binarized"),))
    row = lines_table(numbers(GROWS), [line]).splitlines()[-1]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "It grows", "Perhaps.", "binarized 0.020 (-0.020 to 0.060) unclear",
    ]  # fmt: skip


def test_a_verdict_that_correction_leaves_unclear_has_a_star() -> None:
    line = Line(answer="Perhaps.", shown=(("It grows", "growth", ""),))
    doubtful = replace(GROWS, verdict="supported", corrected="unclear")
    sure = replace(GROWS, verdict="supported", corrected="supported")
    assert lines_table(numbers(doubtful), [line]).splitlines()[-1].rstrip(" |").endswith("supported*")
    assert lines_table(numbers(sure), [line]).splitlines()[-1].rstrip(" |").endswith("supported")


@pytest.mark.parametrize(
    ("findings", "needed"),
    [
        ((GROWTH, DECAY), "unclear: 524"),
        ((replace(GROWTH, needed=None), DECAY), "unclear: more seeds"),
        ((replace(GROWTH, needed=None, seeds=1),), "unclear: too close to a limit"),
        ((replace(GROWTH, what="noise level of the best score", needed=None),), "unclear: a choice"),
        ((DECAY, replace(GROWTH, what="noise level of the best score", needed=None, verdict="")), "unclear: 80"),
        ((replace(GROWTH, interval=Interval(value=0.0, low=0.0, high=0.0), needed=None),), "unclear: –"),
    ],
)
def test_a_claim_needs_what_the_hardest_of_its_numbers_needs(findings: tuple[Finding, ...], needed: str) -> None:
    table = power_table(numbers(replace(GROWS, findings=findings)))
    assert table.splitlines()[-1].strip("|").split("|")[1].strip() == needed


def test_tables_are_put_between_their_marks_and_nowhere_else() -> None:
    page = "before\n<!-- a -->\nold\n<!-- end -->\n<!-- b -->\nkept\n<!-- end -->\n"
    assert filled(page, {"a": "new\n"}, where="page") == page.replace("old", "new")
    with pytest.raises(SystemExit, match="page: expected one place for the table c, found 0"):
        filled(page, {"c": "new\n"}, where="page")


def test_the_picture_has_a_panel_for_each_pair_and_both_families() -> None:
    drawn = picture(numbers().sweep)
    assert drawn.startswith("<svg")
    assert all(word in drawn for word in ("a / b", "full-precision", "binarized"))


def test_the_picture_in_the_docs_is_of_the_stored_numbers() -> None:
    stored = from_json(NUMBERS.read_text(encoding="utf-8"))
    drawn = paper_page.PICTURE.read_text(encoding="utf-8")
    assert all(level.contrast in drawn for level in stored.sweep)
