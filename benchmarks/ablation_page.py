"""Fills the tables of docs/ablation.md, and draws its picture, from the runs of the two experiment files that it names.

python benchmarks/ablation_page.py [--designs runs/ablation] [--estimators runs/estimators]

A table of a run that is not named stays as it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.ablation_effects import (
    BESIDE,
    EFFECTS,
    ESTIMATORS,
    OUTCOMES,
    SEEDS,
    Finding,
    Outcome,
    findings,
    network,
    values,
)
from benchmarks.ablation_picture import picture
from benchmarks.marked_tables import fill
from harness.models.designs import DESIGNS
from harness.store import StoreReader, read_store
from reports.comparing.markdown import markdown_table
from reports.data.formatting import UNKNOWN
from reports.data.view import RunView
from reports.sections.answers import LEVEL
from reports.sections.claims import FAITHFUL
from reports.sections.contrasts import Study, table_of

PAGE, PICTURE = ROOT / "docs" / "ablation.md", ROOT / "docs" / "images" / "ablation.svg"
LEARNT = 0.10  # twice what guessing among 20 classes gives: below it there is no answer that could be explained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=Path, metavar="RUN", help="the folder of a run of examples/ablation.toml")
    parser.add_argument(
        "--estimators", type=Path, metavar="RUN", help="the folder of a run of examples/estimators.toml"
    )
    options = parser.parse_args()
    tables: dict[str, str] = {}
    if options.designs:
        told, drawn = read_store(options.designs, of_designs)
        tables |= told
        PICTURE.write_text(drawn)
    if options.estimators:
        tables |= read_store(options.estimators, of_estimators)
    fill(PAGE, tables)


def of_designs(store: StoreReader) -> tuple[dict[str, str], str]:
    """The tables of a run of examples/ablation.toml by their names on the page, and the picture as SVG."""
    view = RunView(store)
    study, accuracies = Study(view), top1(view)
    effects = [effect for effect in EFFECTS if {effect.design, effect.reference} <= learnt(accuracies)]
    found = [findings(study, outcome, effects) for outcome in OUTCOMES]
    tables = {
        "effects": effects_table(found),
        "beside": effects_table([findings(study, outcome, effects) for outcome in BESIDE]),
        "designs": designs_table(study, accuracies),
    }
    return tables, picture([finding for of_one in found for finding in of_one], level=LEVEL)


def of_estimators(store: StoreReader) -> dict[str, str]:
    """The same of a run of examples/estimators.toml."""
    study = Study(RunView(store))
    return {"estimators": effects_table([findings(study, outcome, ESTIMATORS) for outcome in OUTCOMES])}


def effects_table(found: Sequence[Sequence[Finding]]) -> str:
    """One row per part, one column per outcome; an effect that survives Holm's correction is bold."""
    parts = list(dict.fromkeys(finding.effect for of_one in found for finding in of_one))
    cells = {(finding.effect, finding.outcome): effect_text(finding) for of_one in found for finding in of_one}
    outcomes = [of_one[0].outcome for of_one in found if of_one]
    rows = [(part.part, *(cells.get((part, outcome), UNKNOWN) for outcome in outcomes)) for part in parts]
    return markdown_table(("part", *outcomes), rows)


def effect_text(finding: Finding) -> str:
    interval = finding.mean.interval
    if interval.low is None or interval.high is None:
        return f"{interval.value:z.3f}"
    text = f"{interval.value:z.3f} ({interval.low:z.3f} to {interval.high:z.3f})"
    return f"**{text}**" if finding.p <= LEVEL else text


def designs_table(study: Study, accuracies: dict[str, list[float]]) -> str:
    """What each design is by itself: its accuracy, its best noise level for each seed, and its outcomes."""
    levels = study.levels("noise_level", "smoothgrad")
    rows = []
    for design, top1_of_seeds in accuracies.items():
        best = ", ".join(f"{level:.0%}".removesuffix("%") for level in best_levels(study, design, levels))
        means = [_mean_text(study, outcome, design) for outcome in OUTCOMES]
        rows.append((f"`{design}`", f"{np.mean(top1_of_seeds):.1%}", f"{best} %" if best else UNKNOWN, *means))
    headings = ("design", "top-1", "best level of each seed", *(outcome.name for outcome in OUTCOMES))
    return markdown_table(headings, rows)


def best_levels(study: Study, design: str, levels: Sequence[float]) -> list[float]:
    """SmoothGrad's level with the highest mean insertion, for each seed of which all levels are known."""
    chosen = []
    for seed in SEEDS:
        scores = [
            study.scores((network(design, seed),), "smoothgrad", FAITHFUL, having={"noise_level": level, "ste": "own"})
            for level in levels
        ]
        if all(scores):
            chosen.append(levels[int(table_of([[of_level] for of_level in scores]).mean(axis=(0, 1)).argmax())])
    return chosen


def _mean_text(study: Study, outcome: Outcome, design: str) -> str:
    table = values(study, outcome, design)
    return f"{table.mean():z.3f}" if table.size else UNKNOWN


def top1(view: RunView) -> dict[str, list[float]]:
    """The accuracies of the seeds of each design that were measured, in the order of DESIGNS."""
    measured = {
        unit.spec["model"]["name"]: [p.label == p.ranked[0] for p in view.store.predictions(unit.key)]
        for unit in view.of_kind("accuracy")
        if unit.status == "done"
    }
    of_design = {
        design: [float(np.mean(measured[name])) for seed in SEEDS if (name := network(design, seed)) in measured]
        for design in DESIGNS
    }
    return {design: accuracies for design, accuracies in of_design.items() if accuracies}


def learnt(accuracies: dict[str, list[float]]) -> set[str]:
    """The designs of which every seed learnt something."""
    return {design for design, of_seeds in accuracies.items() if min(of_seeds) > LEARNT}


if __name__ == "__main__":
    main()
