"""docs/power.md is what the intervals in docs/paper.md say."""

from __future__ import annotations

import pytest

from benchmarks.power_page import PAGE, claims, page

TABLE = """## Answers

| § | claim | models | number | value (95 %) | expected | verdict |
|---|---|---|---|---|---|---|
| 1 | It grows | a / b | **all together** | | | **unclear** |
| | | | growth | 0.020 (-0.020 to 0.060) | above 0 | unclear |
| | | | decay | 0.020 (0.010 to 0.030) | {expected} | supported |
| 2 | It is | a / b | **all together** | | | **measured** |
| | | | it | 0.020 (0.010 to 0.030) | | |

Read together:
"""


def test_the_page_is_that_of_the_papers_intervals() -> None:
    assert PAGE.read_text() == page()


@pytest.mark.parametrize(("expected", "needed"), [("0 to 0.1", "524"), ("below 0.01", "contradictory")])
def test_a_claim_needs_what_the_hardest_of_its_numbers_needs(expected: str, needed: str) -> None:
    (claim,) = claims(TABLE.format(expected=expected))  # nothing was expected of the second
    assert claim.needed(0.95) == needed  # ((1.96 + 0.8416) * 8 * 0.08 / 3.92 / 0.02) ** 2 = 523.06
