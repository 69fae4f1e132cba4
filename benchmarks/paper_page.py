"""Fills the tables of docs/paper.md and docs/power.md, and draws the noise sweep, from docs/paper.json.

    python benchmarks/paper_page.py --run runs/twins    # first reads the numbers of a run of examples/twins.toml
    python benchmarks/paper_page.py

Sentences are written by hand: those of the first table stand here, beside the numbers that they are about.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.marked_tables import fill
from benchmarks.paper_numbers import Numbers, as_json, from_json, of_run
from benchmarks.paper_picture import picture
from reports.comparing.markdown import answers_markdown, markdown_table
from reports.data.formatting import UNKNOWN
from reports.sections.answers import Answer, Finding

DOCS = ROOT / "docs"
NUMBERS, PAPER, POWER, PICTURE = (
    DOCS / name for name in ("paper.json", "paper.md", "power.md", "images/noise-sweep.svg")
)
A_CHOICE = "noise level of the best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the first table: what the paper says, what came out, and by which numbers.

    shown  the claim, the beginning of the number's name, and what stands before it where a line has several.
    """

    says: str
    answer: str
    shown: tuple[tuple[str, str, str], ...]


LINES = (
    Line(
        says="Gradient maps look the same for both families",
        answer="",
        shown=(("Gradient maps look the same for both families", "insertion_naopc", ""),),
    ),
    Line(
        says="SmoothGrad at 20 % noise is much noisier for binarized models",
        answer="",
        shown=(
            (
                "SmoothGrad at 20 % noise is much noisier for binarized models",
                "insertion_naopc of SmoothGrad",
                "",
            ),
        ),
    ),
    Line(
        says="As noise grows, binarized maps decay to almost random and full-precision maps keep the object's shape",
        answer="",
        shown=(
            ("From weak to strong noise binarized maps decay to almost random", "fraction", "binarized"),
            ("From weak to strong noise full-precision maps keep the object's shape", "fraction", "float"),
        ),
    ),
    Line(
        says="The best noise level is 2-6 % for binarized and 10-20 % for full-precision models",
        answer="",
        shown=(
            ("The best noise level is 2-6 % for binarized models", f"{A_CHOICE} insertion_naopc", "binarized"),
            ("The best noise level is 10-20 % for full-precision models", f"{A_CHOICE} insertion_naopc", "float"),
        ),
    ),
    Line(
        says="Binarized models amplify perturbations more, layer by layer",
        answer="",
        shown=(
            (
                "Binarized models amplify perturbations more, layer by layer",
                "amplification of 1% noise at the last layer, binarized",
                "",
            ),
        ),
    ),
    Line(
        says="GradCAM of binarized models is often blank",
        answer="",
        shown=(("GradCAM of binarized models is often blank", "fraction of blank", ""),),
    ),
    Line(
        says="GradCAM of binarized models often highlights the background",
        answer="",
        shown=(("GradCAM of binarized models often highlights the background", "insertion_naopc", ""),),
    ),
    Line(
        says="Without the ReLU binarized maps come closer",
        answer="",
        shown=(("Without the ReLU binarized maps come closer", "rank correlation", ""),),
    ),
    Line(
        says="Inverted, binarized maps come closer",
        answer="",
        shown=(("Inverted, binarized maps come closer", "rank correlation", ""),),
    ),
    Line(
        says="The last layer is best for full-precision models",
        answer="",
        shown=(("The last layer is best for full-precision models", "insertion_naopc", ""),),
    ),
    Line(
        says="Binarized models store more at another layer than the last",
        answer="",
        shown=(("Binarized models store more at another layer than the last", "insertion_naopc", ""),),
    ),
    Line(
        says="The straight-through estimator is a choice",
        answer="",
        shown=(("The straight-through estimator is a choice", "insertion_naopc of Gradient with swish_sign", ""),),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, metavar="RUN", help="the folder of a run of examples/twins.toml")
    options = parser.parse_args()
    if options.run:
        NUMBERS.write_text(as_json(of_run(options.run)))
    numbers = from_json(NUMBERS.read_text())
    fill(PAPER, {"lines": lines_table(numbers), "answers": answers_markdown(numbers.answers)})
    fill(POWER, {"power": power_table(numbers)})
    PICTURE.write_text(picture(numbers.sweep))


def lines_table(numbers: Numbers, lines: Sequence[Line] = LINES) -> str:
    """A line for each claim: the answer, and its telling number for each pair, with what the whole claim comes to."""
    pairs = _pairs(numbers)
    rows = [(line.says, line.answer, *(_cell(numbers, line, pair) for pair in pairs)) for line in lines]
    return markdown_table(("the paper says", "answer", *pairs), rows)


def power_table(numbers: Numbers) -> str:
    """How many images each claim needs on each pair: as many as the hardest of its numbers."""
    pairs = _pairs(numbers)
    claims = dict.fromkeys(answer.claim for answer in numbers.answers if answer.verdict != "measured")
    rows = []
    for claim in claims:
        found = {answer.contrast: answer for answer in numbers.answers if answer.claim == claim}
        rows.append((claim, *(_needed(found[pair]) if pair in found else UNKNOWN for pair in pairs)))
    return markdown_table(("claim", *pairs), rows)


def _pairs(numbers: Numbers) -> list[str]:
    return list(dict.fromkeys(answer.contrast for answer in numbers.answers))


def _cell(numbers: Numbers, line: Line, pair: str) -> str:
    texts = []
    for claim, number, prefix in line.shown:
        for answer in numbers.answers:
            if (answer.claim, answer.contrast) == (claim, pair):
                findings = [finding for finding in answer.findings if finding.what.startswith(number)]
                texts += [" ".join([*filter(None, [prefix]), _text(answer, finding)]) for finding in findings]
    return "; ".join(texts) or UNKNOWN


def _text(answer: Answer, finding: Finding) -> str:
    interval = finding.interval
    bounds = "" if interval.low is None else f" ({interval.low:z.3g} to {interval.high:z.3g})"
    verdict = "" if answer.verdict == "measured" else f" {answer.verdict}"
    return f"{interval.value:z.3g}{bounds}{verdict}"


def _needed(answer: Answer) -> str:
    if any(finding.what.startswith(A_CHOICE) for finding in answer.findings):
        return f"{answer.verdict}: a choice"
    counts = [finding.needed for finding in answer.findings]
    varies = [finding.interval.low != finding.interval.high for finding in answer.findings]
    if any(count is None and differs for count, differs in zip(counts, varies)):
        return f"{answer.verdict}: more seeds"
    known = [count for count in counts if count is not None]
    return f"{answer.verdict}: {max(known):,}" if known else f"{answer.verdict}: {UNKNOWN}"


if __name__ == "__main__":
    main()
