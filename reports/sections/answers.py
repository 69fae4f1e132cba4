"""The answers to the paper's claims: what their numbers say, how surely, and how many images would settle them.

A run asks many claims, and of twenty true "no difference" one comes out as a difference by chance. So every answer has
a second verdict, which holds for all of them together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reports.data.power import holm
from reports.data.stats import Interval
from reports.data.view import RunView
from reports.sections.claims import CLAIMS, FAITHFUL, Number, on_all_tasks
from reports.sections.contrasts import Study

Asked = tuple[str, str, str, list[Number]]  # section, claim, contrast, and what settles it
LEVEL = 0.05  # the chance of any false verdict among all claims of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One number that settles a claim, or a part of it. `verdict` is empty where nothing was expected.

    p       how surely it gives its verdict, see `Expected.p_value`.
    images  that it is taken over; seeds  the training runs.
    needed  how many images would settle it 8 times out of 10 at the level of the correction, were the truth the present
            value; None where that cannot be told.
    """

    section: str
    claim: str
    contrast: str
    what: str
    interval: Interval
    expected: str
    verdict: str
    p: float
    images: int
    seeds: int = 1
    needed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A claim on one contrast.

    p          how surely the verdict is given, corrected for all claims that were tested; None where nothing was.
    corrected  the verdict, if it is as sure as that with 95 %, else unclear.
    """

    section: str
    claim: str
    contrast: str
    verdict: str
    findings: tuple[Finding, ...]
    p: float | None = None
    corrected: str = ""


def are_asked(view: RunView) -> bool:
    """Whether the run measures what this study needs and a look at maps does not."""
    metrics = {unit.spec["metric"] for unit in view.of_kind("quality")}
    return FAITHFUL in metrics or any(view.of_kind(kind) for kind in ("amplification", "agreement"))


def answers(view: RunView) -> list[Answer]:
    """Every claim on every contrast of which the run has numbers, corrected for how many were tested.

    Where several pairs were trained with several seeds each, also on all of them together. These verdicts are the
    answers, and those on single pairs their details: each kind is corrected by itself.
    """
    study = Study(view)
    contrasts = study.contrasts()
    on_each: list[Asked] = []
    on_all: list[Asked] = []
    for section, claim, collect in CLAIMS:
        found = [_defined(collect(study, each)) for each in contrasts]
        on_each += [(section, claim, each.name, numbers) for each, numbers in zip(contrasts, found) if numbers]
        several = [numbers for each, numbers in zip(contrasts, found) if len(each.pairs) > 1]
        if together := on_all_tasks(several):
            on_all.append((section, claim, f"all {len(several)} pairs", together))
    order = [claim for _, claim, _ in CLAIMS]
    return sorted([*_answered(on_each), *_answered(on_all)], key=lambda answer: order.index(answer.claim))


def _defined(numbers: Iterable[Number | None]) -> list[Number]:
    """Without, for instance, the part that is left of a lead that there is not."""
    return [number for number in numbers if number is not None and not math.isnan(number.evidence.value)]


def _answered(asked: Sequence[Asked]) -> list[Answer]:
    tested = sum(any(number.expected for number in numbers) for *_, numbers in asked)
    confidence = 1 - LEVEL / max(1, tested)  # of the strictest step of the correction
    return _corrected([_answer(*each, confidence=confidence) for each in asked])


def _answer(section: str, claim: str, contrast: str, numbers: Sequence[Number], *, confidence: float) -> Answer:
    findings = []
    for number in numbers:
        interval, expected, images = number.evidence.interval(), number.expected, number.evidence.images
        assert interval is not None  # evidence has at least one image
        verdict, p, needed = "", 1.0, None
        if expected is not None:
            verdict = expected.verdict(interval)
            p = expected.p_value(number.evidence, verdict)
            needed = number.evidence.needed(least=expected.least, most=expected.most, confidence=confidence)
        findings.append(
            Finding(
                section=section,
                claim=claim,
                contrast=contrast,
                what=number.what,
                interval=interval,
                expected=expected.text if expected else "",
                verdict=verdict,
                p=p,
                images=images,
                seeds=number.evidence.seeds,
                needed=needed,
            )
        )
    verdict = _all_of([finding.verdict for finding in findings])
    return Answer(section=section, claim=claim, contrast=contrast, verdict=verdict, findings=tuple(findings))


def _corrected(found: list[Answer]) -> list[Answer]:
    """The answers with Holm's correction for the number of claims that were tested."""
    tested = [answer for answer in found if answer.verdict != "measured"]
    adjusted = dict(zip(map(id, tested), holm([_p_of(answer) for answer in tested])))
    return [
        replace(answer, p=p, corrected=answer.verdict if p is None or p <= LEVEL else "unclear")
        for answer in found
        for p in [adjusted.get(id(answer))]
    ]


def _p_of(answer: Answer) -> float:
    """A claim is supported as surely as the least sure of its numbers, and refuted by the surest of as many.

    Its numbers contradict each other as surely as the surest of either kind do.
    """
    judged = [finding for finding in answer.findings if finding.verdict]
    surest = {
        verdict: min((len(judged) * finding.p for finding in judged if finding.verdict == verdict), default=1.0)
        for verdict in ("supported", "not supported")
    }
    if answer.verdict == "supported":
        return max(finding.p for finding in judged)
    if answer.verdict == "not supported":
        return min(1.0, surest["not supported"])
    return min(1.0, max(surest.values())) if answer.verdict == "mixed" else 1.0


def _all_of(verdicts: list[str]) -> str:
    """Supported if all are, not supported if none is and one clearly is not, mixed if they contradict each other."""
    given = {verdict for verdict in verdicts if verdict}
    if not given:
        return "measured"
    if given == {"supported"}:
        return "supported"
    if "not supported" in given:
        return "mixed" if "supported" in given else "not supported"
    return "unclear"
