"""The numbers of docs/paper.md, as docs/paper.json keeps them: the answers of a run and its noise sweep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.store import StoreReader, read_store
from reports.data.stats import Interval
from reports.data.view import RunView
from reports.sections.answers import Answer, Finding, answers
from reports.sections.claims import FAITHFUL
from reports.sections.contrasts import FAMILIES, Contrast, Study, table_of
from reports.sections.evidence import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """SmoothGrad's mean score at a noise level, for the networks of a family and the images of a contrast.

    random  the mean score of random maps on the same networks and images; None where there are none.
    """

    contrast: str
    family: str
    noise_level: float
    score: Interval
    random: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What a run says of the paper's claims."""

    answers: Sequence[Answer]
    sweep: Sequence[Level]


def of_run(folder: Path) -> Numbers:
    return read_store(folder, _of_store)


def _of_store(store: StoreReader) -> Numbers:
    view = RunView(store)
    study = Study(view)
    return Numbers(answers=answers(view), sweep=[level for each in study.contrasts() for level in _sweep(study, each)])


def _sweep(study: Study, contrast: Contrast) -> list[Level]:
    levels = []
    for family in FAMILIES:
        of_random = partial(study.scores, method="control-random", metric=FAITHFUL)
        random = table_of([contrast.each(family, of_random)])
        floor = float(random.mean()) if random.size else None
        for level in study.levels("noise_level", "smoothgrad"):
            scores = partial(study.scores, method="smoothgrad", metric=FAITHFUL, having={"noise_level": level})
            table = table_of([contrast.each(family, scores)])
            interval = Evidence(table=table).interval() if table.size else None
            if interval is not None:
                levels.append(
                    Level(contrast=contrast.name, family=family, noise_level=level, score=interval, random=floor)
                )
    return levels


# ------------------------------------------------------------------------------------------------------ as a file
def as_json(numbers: Numbers) -> str:
    return json.dumps(asdict(numbers), indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> Numbers:
    read = json.loads(text)
    sweep = [Level(**{**level, "score": Interval(**level["score"])}) for level in read["sweep"]]
    return Numbers(answers=[_answer(answer) for answer in read["answers"]], sweep=sweep)


def _answer(read: Mapping[str, Any]) -> Answer:
    findings = [Finding(**{**each, "interval": Interval(**each["interval"])}) for each in read["findings"]]
    return Answer(**{**read, "findings": tuple(findings)})
