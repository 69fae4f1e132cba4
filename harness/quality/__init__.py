"""Scores for a saliency map, each one small module. It never computes a map and never shows one.

The quality stage of a run calls it:

    evaluate(name, maps, evidence) -> Scores              one metric of METRICS; never raises for what a map is like
    evaluate_together({name: parameters}, maps, evidence) several at once: those of one family share their passes
    metric_parameters(name, given) -> dict                what a unit's spec records, and `Evidence.parameters` holds
    agree(name, first, second) -> Scores                  AGREEMENTS: two maps of the same image
    control_maps(name, evidence) -> Maps                  CONTROLS: maps that every metric must be able to place
    limits.aopc_limits(evidence) -> (N, 2)                what `deletion_naopc` and `insertion_naopc` are normalised by
    randomisation.parameter_randomisation(...), randomisation.emprt(...)   sanity checks of a method on a network
    judges.FloatJudge(predict)                            a judge on this host, over any function of uint8 images;
    compiled_network.CompiledNetwork(model, preprocessing)   such a function, the fastest for full-precision networks
"""

from __future__ import annotations

from harness.quality.agreement import AGREEMENTS, AgreementSpec, agree
from harness.quality.controls import CONTROLS, ControlSpec, control_maps
from harness.quality.evaluation import evaluate, evaluate_together, metric_parameters
from harness.quality.evidence import Evidence, Explain, Images, Judge, Maps, Pool, Scores, Targets, Values
from harness.quality.metrics import METRICS, MetricSpec

__all__ = [
    "AGREEMENTS",
    "CONTROLS",
    "METRICS",
    "AgreementSpec",
    "ControlSpec",
    "Evidence",
    "Explain",
    "Images",
    "Judge",
    "Maps",
    "MetricSpec",
    "Pool",
    "Scores",
    "Targets",
    "Values",
    "agree",
    "control_maps",
    "evaluate",
    "evaluate_together",
    "metric_parameters",
]
