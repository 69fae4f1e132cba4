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
    """A line of the first table: claims that belong together, what came out, and by which numbers.

    shown  a claim, the beginning of its telling number's name, and what stands before it where a line has several.
    """

    answer: str
    shown: tuple[tuple[str, str, str], ...]

    @property
    def says(self) -> str:
        return "; ".join(claim for claim, *_ in self.shown)


def _line(claim: str, number: str, answer: str) -> Line:
    return Line(answer=answer, shown=((claim, number, ""),))


LINES = (
    _line(
        "Gradient maps look the same for both families",
        "insertion_naopc",
        "Yes on average, to within a tenth of the float models' scores. No single pair settles it.",
    ),
    _line(
        "SmoothGrad at 20 % noise is much noisier for binarized models",
        "insertion_naopc",
        "In part. At 20 % noise binarized maps explain clearly less and are less like the Gradient map, but are not "
        "clearly more scattered.",
    ),
    Line(
        answer="Both decay, by amounts that depend on the task. On photographs neither is better than a random map at "
        "50 % noise.",
        shown=(
            ("From weak to strong noise binarized maps decay to almost random", "fraction", "binarized"),
            ("From weak to strong noise full-precision maps keep the object's shape", "fraction", "float"),
        ),
    ),
    Line(
        answer="Yes over all pairs, but by little: the best of these levels lead the others by 0.005 and 0.004, not "
        "surely after correction.",
        shown=(
            ("The best noise level is 2-6 % for binarized models", f"{A_CHOICE} insertion_naopc", "binarized"),
            ("The best noise level is 10-20 % for full-precision models", f"{A_CHOICE} insertion_naopc", "float"),
        ),
    ),
    _line(
        "Binarized models amplify perturbations more, layer by layer",
        "amplification of 1% noise at the last layer, binarized -",
        "Yes, on every pair. Their last layer changes 7.6 to 10.5 times as strongly as the image, that of float models "
        "1.1 to 2.0 times.",
    ),
    _line(
        "GradCAM of binarized models is often blank",
        "fraction of blank",
        "Not at the last activation: none of 5,400. At other layers some are: [the layer of GradCAM](cam-layer.md).",
    ),
    _line(
        "GradCAM of binarized models often highlights the background",
        "mass_in_object",
        "Mixed. They have more of their mass in the object on generated images, as much on photographs, and explain "
        "a little less.",
    ),
    _line(
        "Without the ReLU binarized maps come closer",
        "rank correlation",
        "No: with both twins' maps taken so, they are less alike.",
    ),
    _line(
        "Inverted, binarized maps come closer",
        "rank correlation",
        "No: with both twins' maps taken so, they are much less alike.",
    ),
    _line("The last layer is best for full-precision models", "insertion_naopc", "Yes."),
    _line(
        "Binarized models store more at another layer than the last",
        "insertion_naopc",
        "No. Another layer is worse, as it is in float models.",
    ),
    _line(
        "The straight-through estimator is a choice",
        "insertion_naopc of Gradient with swish_sign",
        "It matters: `swish_sign` explains worse than the estimator of the training.",
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
    """A line for each claim: the answer, and its telling number for each pair, with what the whole claim comes to.

    A star is at a verdict that correction leaves unclear.
    """
    pairs = _pairs(numbers)
    rows = [(line.says, line.answer, *(_cell(numbers, line, pair) for pair in pairs)) for line in lines]
    return markdown_table(("the paper says", "answer", *map(_short, pairs)), rows)


def power_table(numbers: Numbers) -> str:
    """How many images each claim needs on each pair: as many as the hardest of its numbers."""
    pairs = _pairs(numbers)
    claims = dict.fromkeys(answer.claim for answer in numbers.answers if answer.verdict != "measured")
    rows = []
    for claim in claims:
        found = {answer.contrast: answer for answer in numbers.answers if answer.claim == claim}
        rows.append((claim, *(_needed(found[pair]) if pair in found else UNKNOWN for pair in pairs)))
    return markdown_table(("claim", *map(_short, pairs)), rows)


def _pairs(numbers: Numbers) -> list[str]:
    return list(dict.fromkeys(answer.contrast for answer in numbers.answers))


def _short(pair: str) -> str:
    """What the models of a pair have in common: "cifar" of "cifar-float / cifar-binary, 3 seeds"."""
    return pair.partition("-float / ")[0]


def _cell(numbers: Numbers, line: Line, pair: str) -> str:
    texts = []
    for claim, number, prefix in line.shown:
        for answer in numbers.answers:
            if (answer.claim, answer.contrast) == (claim, pair):
                findings = [finding for finding in answer.findings if finding.what.startswith(number)]
                texts += [" ".join([*filter(None, [prefix]), _text(answer, finding)]) for finding in findings]
    return "; ".join(texts) or UNKNOWN


def _text(answer: Answer, finding: Finding) -> str:
    interval, shape = finding.interval, ".0%" if finding.what.startswith(A_CHOICE) else "z.3f"
    bounds = "" if interval.low is None else f" ({interval.low:{shape}} to {interval.high:{shape}})"
    sure = "" if answer.corrected == answer.verdict else "*"
    verdict = "" if answer.verdict == "measured" else f" {answer.verdict}{sure}"
    return f"{interval.value:{shape}}{bounds}{verdict}"


def _needed(answer: Answer) -> str:
    judged = [finding for finding in answer.findings if finding.verdict]
    if any(finding.what.startswith(A_CHOICE) for finding in judged):
        return f"{answer.verdict}: a choice"
    counts = [finding.needed for finding in judged]
    varying = [finding for finding in judged if finding.interval.low != finding.interval.high]
    if any(finding.needed is None for finding in varying):
        return f"{answer.verdict}: more seeds" if judged[0].seeds > 1 else f"{answer.verdict}: too close to a limit"
    known = [count for count in counts if count is not None]
    return f"{answer.verdict}: {max(known):,}" if known else f"{answer.verdict}: {UNKNOWN}"


if __name__ == "__main__":
    main()
