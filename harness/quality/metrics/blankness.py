"""Blank maps, which show nothing: 1 or 0 per map, with the cause (Widdicombe and Julier 2021, arXiv:2106.12569)."""

from __future__ import annotations

import numpy as np

from harness.quality.inputs import Maps, MetricInputs, Scores
from harness.saliency.blank import CONSTANT, is_blank

NOT_FINITE = "the map holds NaN or infinite values"


def blank_map(maps: Maps, inputs: MetricInputs) -> Scores:
    """1 for a blank map, with its cause as the reason, else 0. NaN for a map that is not finite."""
    reasons = why_blank(maps, inputs)
    values = [np.nan if reason == NOT_FINITE else float(bool(reason)) for reason in reasons]
    return Scores(values=np.array(values), reasons=tuple(reasons))


def why_blank(maps: Maps, inputs: MetricInputs) -> list[str]:
    """(N,) the cause of each blank map as the method that made it recorded it, NOT_FINITE, or "".

    A map whose method recorded nothing, such as a control, is "constant".
    """
    finite = np.isfinite(maps).all(axis=(1, 2))
    blank = is_blank(np.where(finite[:, None, None], maps, 0).astype(np.float32))
    recorded = inputs.causes or ("",) * len(maps)
    return [NOT_FINITE if not finite[i] else (recorded[i] or CONSTANT) if blank[i] else "" for i in range(len(maps))]
