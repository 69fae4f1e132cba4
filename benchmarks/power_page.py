"""Writes docs/power.md: how many images each claim of docs/paper.md would need, from the intervals that stand there.

python benchmarks/power_page.py [--check]
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from reports.comparing.markdown import markdown_table
from reports.data.power import POWER, images_needed
from reports.data.stats import Interval
from reports.sections.answers import LEVEL

PAPER, PAGE = ROOT / "docs" / "paper.md", ROOT / "docs" / "power.md"
IMAGES = 64  # over which docs/paper.md gives its intervals
VALUE = re.compile(r"(-?[\d.]+) \((-?[\d.]+) to (-?[\d.]+)\)")

HEAD = """# How many images the paper's claims need

`python benchmarks/power_page.py` writes this page from the intervals in [paper.md](paper.md), which are over {images}
images and one pair of models each.

* **Images** is how many would settle a number {power:.0%} of the time, were its present value the truth: so many that
  its interval would lie wholly on the side of the limits on which the value is now. A standard error is the
  interval's width over 3.92, and shrinks with the root of the number of images. A claim needs what the hardest of its
  numbers needs.
* **Corrected** is the same at the level of the strictest step of Holm's correction for {tested} claims,
  {confidence:.2%} instead of 95 %. `bitlens report RUN --claims` gives each claim's p-value after that correction,
  and the number of images of each number of that run.
* No count settles a claim whose numbers have their present values on different sides (*contradictory*), one on a
  limit, or one that does not vary. The best noise level is a choice among ten, whose interval does not shrink with
  the root of images (*a choice*).
* More images make an answer surer about these very models. Whether it holds of other models of the same kind takes
  several training seeds, and no number of images replaces them.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A number of the table in docs/paper.md."""

    what: str
    interval: Interval
    least: float
    most: float

    @property
    def as_expected(self) -> bool:
        return self.least <= self.interval.value <= self.most

    def needed(self, confidence: float) -> int | None:
        return images_needed(self.interval, IMAGES, least=self.least, most=self.most, confidence=confidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    text: str
    models: str
    verdict: str
    rows: list[Row]

    def needed(self, confidence: float) -> str:
        if any("noise level of" in row.what for row in self.rows):
            return "a choice"
        if len({row.as_expected for row in self.rows}) > 1:
            return "contradictory"
        counts = [row.needed(confidence) for row in self.rows]
        return "–" if None in counts else f"{max(count for count in counts if count is not None):,}"


def claims(paper: str) -> Iterable[Claim]:
    """Those of the table under "Answers" of which something was expected."""
    found: list[Claim] = []
    for line in paper.partition("## Answers")[2].partition("\n\nRead together")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) >= 7 and cells[3] == "**all together**":
            found.append(Claim(text=cells[1], models=cells[2], verdict=cells[6].strip("*"), rows=[]))
        elif len(cells) >= 7 and cells[5] and VALUE.fullmatch(cells[4]):
            found[-1].rows.append(_row(*cells[3:6]))
    return [claim for claim in found if claim.rows]


def _row(what: str, shown: str, expected: str) -> Row:
    value, low, high = map(float, VALUE.fullmatch(shown).groups())  # type: ignore[union-attr]  # its caller has seen it
    words = expected.split()
    limits = {"above": (words[-1], "inf"), "below": ("-inf", words[-1])}.get(words[0], (words[0], words[-1]))
    least, most = map(float, limits)
    return Row(what=what, interval=Interval(value=value, low=low, high=high), least=least, most=most)


def page() -> str:
    asked = list(claims(PAPER.read_text()))
    confidence = 1 - LEVEL / len(asked)
    head = HEAD.format(images=IMAGES, power=POWER, tested=len(asked), confidence=confidence)
    rows = [
        (claim.text, claim.models, claim.verdict, claim.needed(1 - LEVEL), claim.needed(confidence)) for claim in asked
    ]
    return head + markdown_table(("claim", "models", f"now, {IMAGES} images", "images", "corrected"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if the page is out of date")
    if parser.parse_args().check:
        sys.exit(int(PAGE.read_text() != page()))
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
