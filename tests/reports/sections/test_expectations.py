"""P-values go with the verdicts of intervals, and a twin against its copy shows no difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy

from reports.data.crossed import Estimate, Variance, crossed_mean
from reports.sections import answers as module
from reports.sections.answers import answers
from reports.sections.claims import Number, on_all_tasks
from reports.sections.contrasts import Contrast, Pair, PerImage
from reports.sections.evidence import Evidence, Together
from reports.sections.expectations import Expected, above, below, between

PAIR = Pair(full_precision=("float",), binarized=("copy",))


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


def holds(evidence: Evidence | Together, truth: float) -> bool:
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
    assert expected.interval.high is not None
    assert interval.high - interval.value == pytest.approx(expected.interval.high - expected.value, rel=1e-4)


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


def test_a_choice_on_the_limit_of_what_is_expected_is_surely_as_expected() -> None:
    scores = np.eye(3)[[1, 1, 1]] + np.random.default_rng(0).normal(0, 0.01, (50, 3, 3))
    chosen = Evidence(table=scores, statistic=lambda means: means.argmax(axis=-1) / 10, smooth=False)
    assert between(0.1, 0.2).p_value(chosen, "supported") < 0.001
    assert between(0.0, 0.1).p_value(chosen, "supported") < 0.001
    assert above(0.1).p_value(chosen, "not supported") < 0.001


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
    agreeing += 0.05 - agreeing.mean()
    disagreeing = agreeing + np.array([-0.2, 0.0, 0.2]).reshape(1, 3, 1)
    assert Evidence(table=disagreeing).needed(least=0.0, most=math.inf, confidence=0.95) is None
    assert Evidence(table=agreeing).needed(least=0.0, most=math.inf, confidence=0.95) is not None


@pytest.mark.parametrize(("of_seeds", "mean"), [(0.003, 0.05), (0.01, 0.05), (0.02, 0.12)])
@pytest.mark.parametrize("claims", [1, 13])
def test_so_many_images_settle_a_number_over_three_seeds_eight_times_out_of_ten(
    of_seeds: float, mean: float, claims: int
) -> None:
    of_images, level = 0.3, 0.05 / claims
    variances = (
        Variance(of_mean=of_seeds**2 / 3, degrees=2),
        Variance(of_mean=of_images**2 / 300, degrees=299, images=300),
    )
    needed = Estimate(value=mean, variances=variances).images_needed(least=0.0, most=math.inf, confidence=1 - level)
    assert needed is not None
    rng, settled = np.random.default_rng(0), 0
    for _ in range(300):
        table = mean + rng.normal(0, of_seeds, (3, 1)) + rng.normal(0, of_images, (1, needed))
        table = table + rng.normal(0, 0.02, table.shape)
        settled += crossed_mean(table).beyond(0.0, above=True) < level / 2
    assert settled / 300 == pytest.approx(0.80, abs=0.07)


# -------------------------------------------------------------------------------------------------- several tasks
def test_the_interval_over_three_tasks_holds_their_mean() -> None:
    rng, held = np.random.default_rng(5), 0
    for _ in range(400):
        tasks = [Evidence(table=networks(rng, of_seeds=0.05, columns=(mean,))) for mean in (0.2, 0.5, 0.8)]
        held += holds(Together(parts=tasks), 0.5)
    assert held >= 0.92 * 400  # nine seeds say more of how seeds differ than three


def test_the_mean_of_three_tasks_is_surer_than_each() -> None:
    rng = np.random.default_rng(6)
    tasks = [Evidence(table=networks(rng, of_seeds=0.05, columns=(0.5,))) for _ in range(3)]
    together = Together(parts=tasks)
    widths = [interval.high - interval.low for task in [together, *tasks] if (interval := task.interval())]  # type: ignore[operator]
    assert widths[0] < min(widths[1:])
    assert (together.images, together.seeds) == (600, 9)
    of_all, *of_each = (task.beyond(0.0, above=True, inclusive=False) for task in [together, *tasks])
    assert of_all < max(of_each)


def test_a_choice_over_tasks_is_that_of_their_mean_scores() -> None:
    rng, levels = np.random.default_rng(0), (0.1, 0.2, 0.3)

    def best(means: np.ndarray) -> np.ndarray:
        return np.take(levels, means.argmax(axis=-1))

    scores = ([1.0, 0.9, 0.0], [0.0, 0.9, 1.0])  # each task has its own best level; on both, the middle one is
    tasks = [
        Evidence(table=np.array(row) + rng.normal(0, 0.01, (50, 3, 3)), statistic=best, smooth=False) for row in scores
    ]
    interval = Together(parts=tasks).interval()
    assert (interval.low, interval.value, interval.high) == (0.2, 0.2, 0.2)
    assert Together(parts=tasks).needed(least=0.1, most=0.15, confidence=0.95) is None


@pytest.mark.parametrize("images", [1, 4])
def test_a_choice_of_few_images_is_no_verdict(images: int) -> None:
    scores = np.eye(3)[[1, 1, 1]] + np.random.default_rng(0).normal(0, 0.01, (images, 3, 3))
    task = Evidence(table=scores, statistic=lambda means: means.argmax(axis=-1) / 10, smooth=False)
    one_seed = Evidence(table=scores[:, :1], statistic=task.statistic, smooth=False)
    for evidence in (task, one_seed, Together(parts=[task, task])):
        interval = evidence.interval()
        assert interval is not None
        assert (interval.value, interval.low, between(0.1, 0.2).verdict(interval)) == (0.1, None, "unclear")


def test_what_is_expected_on_all_tasks_is_the_mean_of_what_is_expected_on_each() -> None:
    table = np.zeros((10, 3, 1))
    numbers = [
        [Number(what="likeness", evidence=Evidence(table=table), expected=between(-margin, margin))]
        for margin in (0.1, 0.3)
    ]
    (together,) = on_all_tasks(numbers)
    assert together.expected is not None
    assert (together.expected.least, together.expected.most) == pytest.approx((-0.2, 0.2))
    assert on_all_tasks(numbers[:1]) == []


# ---------------------------------------------------------------------------------------------- all claims together
class Copies:
    """The scores of a model and of its copy: each image has its own value, and each measurement its own noise.

    planted  is what the copy scores more than the model; runs  how many seeds of both there are.
    """

    def __init__(self, seed: int, *, planted: float = 0.0, images: int = 64, runs: int = 1) -> None:
        self._rng, self._planted, self._runs = np.random.default_rng(seed), planted, runs
        self._base = self._rng.uniform(0.3, 0.9, images)

    def contrasts(self) -> list[Contrast]:
        return [Contrast(name="float / its copy", pairs=(PAIR,) * self._runs)]

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


@pytest.mark.parametrize("runs", [1, 3])
def test_a_twin_against_its_copy_shows_no_difference_in_95_of_100_repetitions(
    runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [differences_found(Copies(seed, runs=runs), monkeypatch) for seed in range(100)]
    assert sum(not claims for claims in found) >= 95


def test_a_planted_difference_is_found_after_correction(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [differences_found(Copies(seed, planted=-0.2), monkeypatch) for seed in range(3)]
    assert all(any("background" in claim for claim in claims) for claims in found)
