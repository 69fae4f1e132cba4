"""What a lower precision of the gradient engine does to maps: beside those of float32, and as a metric judges both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from harness.quality.evaluation import evaluate
from harness.quality.inputs import Maps, MetricInputs

STEPS = 16  # of a curve: both maps are uncovered by the same ones


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionError:
    """Of so many images. None where no map, or no curve, can be compared.

    correlation           the least Pearson correlation of a map with its float32 one.
    insertion_difference  the mean insertion AUC of the maps less that of the float32 maps, a probability.
    """

    images: int
    correlation: float | None
    insertion_difference: float | None

    def sentence(self, precision: str) -> str:
        """Such as "bfloat16 against float32, 4 images: least correlation 0.9931, mean insertion AUC +0.0004"."""
        parts = [
            "no map to correlate" if self.correlation is None else f"least correlation {self.correlation:.4f}",
            "" if self.insertion_difference is None else f"mean insertion AUC {self.insertion_difference:+.4f}",
        ]
        count = f"{self.images} image{'s' * (self.images > 1)}"
        return f"{precision} against float32, {count}: {', '.join(filter(None, parts))}"


def precision_error(maps: Maps, exact: Maps, inputs: MetricInputs) -> PrecisionError:
    """Maps (N, H, W) of a lower precision against those of float32, as `inputs.judge` sees both."""
    correlations = [_correlation(*pair) for pair in zip(maps, exact, strict=True)]
    known = [value for value in correlations if np.isfinite(value)]
    inputs = replace(inputs, parameters={"steps": STEPS})
    areas = [evaluate("insertion_auc", these, inputs).values for these in (maps, exact)]
    differences = (areas[0] - areas[1])[np.isfinite(areas[0] - areas[1])]
    return PrecisionError(
        images=len(maps),
        correlation=min(known) if known else None,
        insertion_difference=float(differences.mean()) if len(differences) else None,
    )


def _correlation(one: Maps, other: Maps) -> float:
    """NaN for a map that is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one.ravel().astype(np.float64), other.ravel().astype(np.float64))[0, 1])
