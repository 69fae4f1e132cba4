"""P-values go with the verdicts of intervals, and a twin against its copy shows no difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy

from reports.sections import answers as module
from reports.sections.answers import answers
from reports.sections.contrasts import Contrast, PerImage
from reports.sections.expectations import Evidence, Expected, above, below, between

CONTRAST = Contrast(name="float / its copy", full_precision=("float",), binarized=("copy",))


def mean_of(values: np.ndarray) -> Evidence:
    return Evidence(table=values[:, None])


def resampled_mean_of(values: np.ndarray) -> Evidence:
    return Evidence(table=values[:, None], statistic=lambda means: means[..., 0])


@pytest.mark.parametrize("of", [mean_of, resampled_mean_of])
@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.05, 0.15, 0.3, 0.5])
@pytest.mark.parametrize("expected", [above(0), below(0.1), between(-0.1, 0.4)])
def test_a_verdict_has_a_p_below_a_twentieth(of: Any, mean: float, expected: Expected) -> None:
    evidence = of(mean + np.random.default_rng(1).normal(0, 0.2, 200))
    interval = evidence.interval()
    verdict = expected.verdict(interval)
    p = expected.p_value(evidence, verdict)
    assert p < 0.055 if verdict in ("supported", "not supported") else p == 1.0  # 1,000 draws end at 5 % more or less


def test_the_p_of_a_mean_is_students() -> None:
    values = np.random.default_rng(0).normal(0.05, 0.2, 100)
    expected = scipy.stats.ttest_1samp(values, 0).pvalue
    assert above(0).p_value(mean_of(values), "supported") == pytest.approx(expected)
    resampled = above(0).p_value(resampled_mean_of(values), "supported")
    assert resampled == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("value", "verdict"), [(0.0, "not supported"), (0.2, "supported")])
def test_values_that_do_not_vary_decide_by_themselves(value: float, verdict: str) -> None:
    evidence = mean_of(np.full(64, value))
    interval = evidence.interval()
    assert interval is not None
    assert above(0).verdict(interval) == verdict
    assert above(0).p_value(evidence, verdict) == 0.0


# ---------------------------------------------------------------------------------------------- all claims together
class Copies:
    """The scores of a model and of its copy: each image has its own value, and each measurement its own noise.

    planted  is what the copy scores more than the model.
    """

    def __init__(self, seed: int, *, planted: float = 0.0, images: int = 64) -> None:
        self._rng, self._planted = np.random.default_rng(seed), planted
        self._base = self._rng.uniform(0.3, 0.9, images)

    def contrasts(self) -> list[Contrast]:
        return [CONTRAST]

    def levels(self, parameter: str, method: str) -> list[Any]:
        return ["last_activation"] if parameter == "layer" else []

    def noise_levels(self) -> list[float]:
        return []

    def scores(self, models: tuple[str, ...], method: str, metric: str, *, having: Any) -> PerImage:
        return self._measured(models)

    def agreements(self, models: tuple[str, ...], what: str, method: str, *, having: Any) -> PerImage:
        return self._measured(models)

    def _measured(self, models: tuple[str, ...]) -> PerImage:
        more = self._planted if models == ("copy",) else 0.0
        values = self._base + more + self._rng.normal(0, 0.1, len(self._base))
        return {str(image): float(value) for image, value in enumerate(values)}


def differences_found(study: Copies, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The claims that see a difference between the model and its copy, after correction."""
    monkeypatch.setattr(module, "Study", lambda view: study)
    return [
        answer.claim
        for answer in answers(None)  # type: ignore[arg-type]  # the study is there already
        if answer.corrected == ("not supported" if "look the same" in answer.claim else "supported")
        or (answer.corrected == "not supported" and "look the same" not in answer.claim)
    ]


def test_a_twin_against_its_copy_shows_no_difference_in_95_of_100_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [differences_found(Copies(seed), monkeypatch) for seed in range(100)]
    assert sum(not claims for claims in found) >= 95


def test_a_planted_difference_is_found_after_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [differences_found(Copies(seed, planted=-0.2), monkeypatch) for seed in range(3)]
    assert all(any("background" in claim for claim in claims) for claims in found)
