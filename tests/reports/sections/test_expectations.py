"""P-values go with the verdicts of intervals, and a twin against its copy shows no difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy

from reports.data.crossed import crossed_mean
from reports.sections import answers as module
from reports.sections.answers import answers
from reports.sections.contrasts import Contrast, Pair, PerImage
from reports.sections.expectations import Evidence, Expected, above, below, between

CONTRAST = Contrast(name="float / its copy", pairs=(Pair(full_precision=("float",), binarized=("copy",)),))


def mean_of(values: np.ndarray) -> Evidence:
    return Evidence(table=values[:, None, None])


def resampled_mean_of(values: np.ndarray) -> Evidence:
    return Evidence(table=values[:, None, None], statistic=lambda means: means[..., 0])


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


# -------------------------------------------------------------------------------------------------- several seeds
def ratio(means: np.ndarray) -> np.ndarray:
    return np.asarray(means[..., 0] / means[..., 1])


def networks(rng: np.random.Generator, *, of_seeds: float, columns: Sequence[float], images: int = 200) -> np.ndarray:
    """(images, 3 seeds, columns): what a seed adds, what an image adds, and noise in each cell."""
    seeds = rng.normal(0, of_seeds, (1, 3, len(columns)))
    pictures = rng.normal(0, 0.1, (images, 1, len(columns)))
    return np.asarray(columns + seeds + pictures + rng.normal(0, 0.1, (images, 3, len(columns))))


def holds(evidence: Evidence, truth: float) -> bool:
    interval = evidence.interval()
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("of_seeds", [0.0, 0.05])
def test_an_interval_over_three_seeds_holds_the_truth_about_all_networks(of_seeds: float) -> None:
    rng = np.random.default_rng(0)
    tables = [networks(rng, of_seeds=of_seeds, columns=(0.8, 1.6)) for _ in range(400)]
    means = sum(holds(Evidence(table=table[..., :1]), 0.8) for table in tables)
    ratios = sum(holds(Evidence(table=table, statistic=ratio), 0.5) for table in tables)
    assert means >= 0.90 * 400  # 92 to 97 % of thousands, by how much seeds differ
    assert ratios >= 0.90 * 400
    of_one = sum(holds(Evidence(table=table[:, :1, :1]), 0.8) for table in tables)
    assert of_one < 0.6 * 400 if of_seeds else of_one > 0.9 * 400


def test_a_ratio_over_seeds_has_the_error_of_the_delta_method() -> None:
    table = networks(np.random.default_rng(1), of_seeds=0.02, columns=(0.8, 1.6))
    x, y = table[..., 0], table[..., 1]
    changes = x / y.mean() - x.mean() / y.mean() ** 2 * y  # the ratio's derivative, times what each value is
    expected = crossed_mean(changes.T)
    interval = Evidence(table=table, statistic=ratio).interval()
    assert interval is not None
    assert interval.low is not None
    assert interval.high is not None
    assert interval.value == pytest.approx(x.mean() / y.mean())
    assert expected.interval.low is not None
    assert expected.interval.high is not None
    width = expected.interval.high - expected.interval.low
    assert interval.high - interval.low == pytest.approx(width, rel=1e-4)


def test_a_choice_that_seeds_do_not_agree_on_has_an_interval_over_their_choices() -> None:
    rng, levels = np.random.default_rng(0), (0.1, 0.2, 0.3)
    scores = np.eye(3)[[0, 1, 2]] + rng.normal(0, 0.01, (50, 3, 3))  # each seed is best at another level

    def best(means: np.ndarray) -> np.ndarray:
        return np.take(levels, means.argmax(axis=-1))

    disagreeing = Evidence(table=scores, statistic=best, smooth=False).interval()
    agreeing = Evidence(table=scores[:, [1, 1, 1]], statistic=best, smooth=False).interval()
    assert disagreeing is not None
    assert agreeing is not None
    assert (disagreeing.low, disagreeing.high) == (0.1, 0.3)
    assert (agreeing.low, agreeing.value, agreeing.high) == (0.2, 0.2, 0.2)


@pytest.mark.parametrize("statistic", [None, lambda means: means[..., 0]])
@pytest.mark.parametrize("expected", [above(0), below(0.1), between(-0.1, 0.4)])
@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.05, 0.15, 0.3, 0.5])
def test_a_verdict_over_seeds_has_the_p_of_its_own_interval(statistic: Any, mean: float, expected: Expected) -> None:
    table = networks(np.random.default_rng(3), of_seeds=0.03, columns=(mean,))
    evidence = Evidence(table=table, statistic=statistic)
    interval = evidence.interval()
    assert interval is not None
    verdict = expected.verdict(interval)
    p = expected.p_value(evidence, verdict)
    assert p < 0.05 if verdict in ("supported", "not supported") else p == 1.0


def test_images_are_no_help_where_seeds_disagree() -> None:
    agreeing = networks(np.random.default_rng(0), of_seeds=0.0, columns=(0.0,))
    agreeing += 0.02 - agreeing.mean()
    disagreeing = agreeing + np.array([-0.2, 0.0, 0.2]).reshape(1, 3, 1)
    assert Evidence(table=disagreeing).needed(above(0), confidence=0.95) is None
    of_seeds = agreeing.mean(axis=0).var(ddof=1) / 3
    of_images = agreeing.mean(axis=(1, 2)).var(ddof=1)
    wanted = (0.02 / (1.95996 + 0.84162)) ** 2  # the squared standard error with which 80 % of intervals lie above 0
    needed = Evidence(table=agreeing).needed(above(0), confidence=0.95)
    assert needed == pytest.approx(of_images / (wanted - of_seeds), abs=1)


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
