"""The paper's claims: runs in which the answer is built in must get that answer, and runs that cannot tell must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.store import Outcome, Score, Store, Unit
from reports.comparing.markdown import claims_markdown
from reports.data.view import RunView
from reports.page.page import render
from reports.sections.claims import Answer, answers
from tests.reports.synthetic_runs import TWINS, model

IMAGES = [f"image {i}" for i in range(40)]
FLOAT, BINARY = TWINS
CAM = {"layer": "default", "relu": True, "invert": False, "ste": "own"}


class Run:
    """Scores with a chosen mean for every image, a little scattered."""

    def __init__(self, folder: Path, *, scatter: float = 0.02) -> None:
        self.store, self.units, self._scatter = Store(folder), [], scatter
        self._random = np.random.default_rng(0)
        self._images = self._done("images", {"fingerprint": "f"}, {"images": IMAGES})

    def maps(self, network: dict[str, Any], method: str, parameters: dict[str, Any]) -> str:
        spec = {"model": network, "method": method, "parameters": parameters, "images": self._images}
        return self._done("saliency", spec, {"images": IMAGES})

    def score(self, network: dict[str, Any], method: str, parameters: dict[str, Any], metric: str, mean: float) -> None:
        maps = self.maps(network, method, parameters)
        spec = {"model": network, "method": method, "saliency": maps, "metric": metric, "parameters": {}}
        self._done("quality", {**spec, "judge": "float"}, {"better": "higher", "unit": "u"}, mean)

    def agreement(self, what: str, parameters: dict[str, Any], mean: float) -> None:
        first = self.maps(BINARY, "gradcam", parameters)
        spec = {"model": BINARY, "what": what, "first": first, "second": first, "metric": "spearman"}
        self._done("agreement", spec, {}, mean)

    def amplification(self, network: dict[str, Any], values: list[float]) -> None:
        spec = {"model": network, "noise_level": 0.02, "images": self._images}
        rows = [[value + self._random.normal(0, self._scatter) for value in values] for _ in IMAGES]
        self._done("amplification", spec, {"images": IMAGES, "layers": ["a", "b"], "values": rows})

    def _done(self, kind: str, spec: dict[str, Any], result: dict[str, Any], mean: float | None = None) -> str:
        unit = Unit(kind=kind, spec=spec)
        if unit.key not in {known.key for known in self.units}:
            self.units.append(unit)
            values = [] if mean is None else mean + self._random.normal(0, self._scatter, len(IMAGES))
            scores = [Score(image=image, value=float(value)) for image, value in zip(IMAGES, values)]
            self.store.commit(unit, Outcome(result=result, scores=scores), seconds=0.0)
        return unit.key

    def answers(self) -> dict[str, Answer]:
        self.store.replace_plan(self.units)
        return {answer.claim: answer for answer in answers(RunView(self.store))}


def verdict(run: Run, words: str) -> str:
    return next(answer.verdict for claim, answer in run.answers().items() if words in claim)


@pytest.mark.parametrize(
    ("binary", "scatter", "expected"),
    [(0.71, 0.02, "supported"), (0.5, 0.02, "not supported"), (0.70, 1.5, "unclear")],
)
def test_maps_look_the_same_if_their_scores_differ_by_less_than_a_tenth(
    tmp_path: Path, binary: float, scatter: float, expected: str
) -> None:
    run = Run(tmp_path, scatter=scatter)
    run.score(FLOAT, "gradient", {"ste": "own"}, "sparseness", 0.7)
    run.score(BINARY, "gradient", {"ste": "own"}, "sparseness", binary)
    assert verdict(run, "look the same") == expected


@pytest.mark.parametrize(("floats_left", "expected"), [(0.75, "supported"), (0.21, "not supported")])
def test_decay_is_measured_between_the_first_level_and_a_random_map(
    tmp_path: Path, floats_left: float, expected: str
) -> None:
    run = Run(tmp_path)
    for network, strong in ((FLOAT, floats_left), (BINARY, 0.21)):
        for level, mean in ((0.01, 0.8), (0.5, strong)):
            run.score(network, "smoothgrad", {"noise_level": level, "ste": "own"}, "insertion_naopc", mean)
        run.score(network, "control-random", {}, "insertion_naopc", 0.2)
    assert verdict(run, "decay to almost random") == "supported"
    assert verdict(run, "keep the object's shape") == expected
    (kept,) = next(answer for claim, answer in run.answers().items() if "keep" in claim).findings
    assert kept.found is not None
    assert kept.found.value == pytest.approx((floats_left - 0.2) / 0.6, abs=0.03)


def test_the_best_noise_level_of_each_family_is_the_one_that_was_built_in(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.01)
    for network, best in ((FLOAT, 0.15), (BINARY, 0.04)):
        for level in (0.01, 0.04, 0.15, 0.5):
            mean = 0.9 if level == best else 0.5
            run.score(network, "smoothgrad", {"noise_level": level}, "insertion_naopc", mean)
    assert verdict(run, "2-6 %") == "supported"
    assert verdict(run, "10-20 %") == "supported"


def test_two_models_without_a_single_blank_map_do_not_support_that_blanks_are_frequent(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.0)
    for network in TWINS:
        run.score(network, "gradcam", CAM, "blank_share", 0.0)
    assert verdict(run, "blank") == "not supported"


def test_numbers_that_contradict_each_other_leave_a_claim_unclear(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for metric, binary in (("mass_in_object", 0.3), ("pointing_game_hit_rate", 0.9)):
        run.score(FLOAT, "gradcam", CAM, metric, 0.6)
        run.score(BINARY, "gradcam", CAM, metric, binary)
    assert verdict(run, "background") == "unclear"


def test_amplification_must_be_greater_for_the_binarized_model_and_grow(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.amplification(FLOAT, [1.0, 1.2])
    run.amplification(BINARY, [1.0, 3.0])
    assert verdict(run, "amplify") == "supported"


@pytest.mark.parametrize(("changed", "expected"), [(0.8, "supported"), (0.3, "not supported"), (0.5, "unclear")])
def test_a_variant_comes_closer_if_it_agrees_more_with_the_twins(tmp_path: Path, changed: float, expected: str) -> None:
    run = Run(tmp_path)
    run.score(FLOAT, "gradcam", CAM, "blank_share", 0.0)
    run.agreement("twin", CAM, 0.5)
    run.agreement("twin", {**CAM, "relu": False}, changed)
    assert verdict(run, "Without the ReLU") == expected


def test_models_without_twins_are_compared_family_with_family(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for name, family, mean in (("a", "full-precision", 0.6), ("b", "full-precision", 0.8), ("c", "binarized", 0.3)):
        run.score(model(name, family), "gradcam", CAM, "insertion_naopc", mean)
    (finding,) = run.answers()["GradCAM of binarized networks often highlights the background"].findings
    assert finding.contrast == "2 full-precision / 1 binarized"
    assert finding.found is not None
    assert finding.found.value == pytest.approx(-0.4, abs=0.02)


def test_a_run_without_explanations_makes_no_claims(tmp_path: Path) -> None:
    assert Run(tmp_path).answers() == {}


def test_claims_are_told_on_the_page_and_as_markdown(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.amplification(FLOAT, [1.0, 1.2])
    run.amplification(BINARY, [1.0, 3.0])
    run.score(FLOAT, "gradcam", CAM, "blank_share", 0.0)
    run.score(BINARY, "gradcam", CAM, "blank_share", 0.4)
    run.answers()
    assert "The paper&#39;s claims" in render(run.store) or "The paper's claims" in render(run.store)
    assert "**supported**" in claims_markdown(run.store)
