"""The stages of a run in their order, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`perform` names a function (unit, context, progress) -> Outcome; `doing` is what a person reads meanwhile.

    one_at_a_time  units of one model are done one after the other, because each takes much memory.
    helped_by      names a function unit -> keys: units that save this one work if they are done before it.
    """

    perform: str
    doing: str
    one_at_a_time: bool = False
    helped_by: str = ""


STAGES: dict[str, Stage] = {
    "images": Stage(perform="harness.stages.images:perform", doing="preparing images"),
    "conversion": Stage(
        perform="harness.stages.conversion:perform",
        doing="converting models",
        one_at_a_time=True,
        helped_by="harness.stages.conversion:helped_by",
    ),
    "fidelity": Stage(perform="harness.stages.fidelity:perform", doing="checking fidelity"),
    "accuracy": Stage(perform="harness.stages.accuracy:perform", doing="measuring accuracy"),
    "latency": Stage(perform="harness.stages.latency:perform", doing="measuring latency"),
    "saliency": Stage(perform="harness.stages.saliency:perform", doing="computing saliency"),
    "agreement": Stage(perform="harness.stages.agreement:perform", doing="comparing maps"),
    "amplification": Stage(perform="harness.stages.amplification:perform", doing="following noise through the layers"),
    "sanity": Stage(perform="harness.stages.sanity:perform", doing="checking sanity of explanations"),
    "aopc_bounds": Stage(
        perform="harness.stages.aopc_bounds:perform", doing="searching AOPC bounds for normalised scores"
    ),
    "quality": Stage(perform="harness.stages.quality:perform", doing="scoring explanations"),
}
