"""Agreement stage: how alike two maps of the same images are."""

from __future__ import annotations

from harness.quality.agreement_metrics import AGREEMENTS, agree
from harness.stages.context import Progress, RunContext
from harness.stages.shared import maps_of, score_rows
from harness.store.units import Outcome, Unit


def plan(first: Unit, second: Unit, metric: str, *, what: str) -> Unit:
    """Two saliency units on the same images, which may be of two models.

    what  why they are compared: "reference", "twin", "shuffled", or "deployed" for a board's map and the host's.
    """
    spec = {
        "model": first.spec["model"],
        "what": what,
        "metric": metric,
    }
    needs = {"first": first.key, "second": second.key, "images": first.needs["images"]}
    return Unit(kind="agreement", spec=spec, needs=needs)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    spec, images = unit.spec, context.images(unit.needs["images"])
    first, second = (maps_of(context.result(unit.needs[name]), images, context) for name in ("first", "second"))
    scores = agree(spec["metric"], first, second)
    row = AGREEMENTS[spec["metric"]]
    return Outcome(result={"better": row.better, "unit": row.unit}, scores=score_rows(images, scores))
