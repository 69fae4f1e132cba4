"""The paper's claims: runs in which the answer is built in must get that answer, and runs that cannot tell must not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.experiment.selection import Named
from harness.stages import agreement, amplification, images, quality, saliency
from harness.store import Outcome, Score, Store, Unit
from reports.comparing.markdown import claims_markdown
from reports.data.view import RunView
from reports.page.page import render
from reports.sections.answers import Answer, answers
from reports.sections.run_reader import read_run
from tests.reports.example_model import example_model
from tests.reports.recorded_results import result_of
from tests.reports.synthetic_runs import EXPERIMENT, TWINS, model

IMAGES = [f"image {i}" for i in range(40)]
FLOAT, BINARY = TWINS
CAM = {"layer": "default", "relu": True, "invert": False, "ste": "own"}


class Run:
    """Scores with a chosen mean for every image, a little scattered."""

    def __init__(self, folder: Path, *, scatter: float = 0.02) -> None:
        self.store, self.units, self._scatter = Store(folder), [], scatter
        self._rng = np.random.default_rng(0)
        unit = images.plan(EXPERIMENT, "fingerprint", example_model(FLOAT), split="test", count=len(IMAGES))
        self._images = self._done(unit, result_of("images", images=IMAGES))

    def maps(self, record: dict[str, Any], method: str, parameters: dict[str, Any]) -> Unit:
        named = Named(name=method, parameters=parameters)
        unit = saliency.plan(example_model(record), named, self._images, target="predicted", seed=0)
        return self._done(unit, result_of("saliency", images=IMAGES))

    def score(self, record: dict[str, Any], method: str, parameters: dict[str, Any], metric: str, mean: float) -> None:
        unit = quality.plan(self.maps(record, method, parameters), Named(name=metric, parameters={}))
        self._done(unit, result_of("quality", better="higher"), mean)

    def agreement(self, what: str, parameters: dict[str, Any], mean: float) -> None:
        first = self.maps(BINARY, "gradcam", parameters)
        self._done(agreement.plan(first, first, "spearman", what=what), result_of("agreement"), mean)

    def amplification(self, record: dict[str, Any], values: list[float]) -> None:
        unit = amplification.plan(example_model(record), self._images, noise_level=0.02, seed=0)
        rows = [[value + self._rng.normal(0, self._scatter) for value in values] for _ in IMAGES]
        self._done(unit, result_of("amplification", images=IMAGES, layers=["a", "b"], values=rows))

    def _done(self, unit: Unit, result: dict[str, Any], mean: float | None = None) -> Unit:
        if unit.key not in {known.key for known in self.units}:
            self.units.append(unit)
            values = [] if mean is None else mean + self._rng.normal(0, self._scatter, len(IMAGES))
            scores = [Score(image=image, value=float(value)) for image, value in zip(IMAGES, values)]
            self.store.commit(unit, Outcome(result=result, scores=scores), seconds=0.0)
        return unit

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
    for twin, strong in ((FLOAT, floats_left), (BINARY, 0.21)):
        for level, mean in ((0.01, 0.8), (0.5, strong)):
            run.score(twin, "smoothgrad", {"noise_level": level, "ste": "own"}, "insertion_naopc", mean)
        run.score(twin, "control-random", {}, "insertion_naopc", 0.2)
    assert verdict(run, "decay to almost random") == "supported"
    assert verdict(run, "keep the object's shape") == expected
    (kept,) = next(answer for claim, answer in run.answers().items() if "keep" in claim).findings
    assert kept.interval is not None
    assert kept.interval.value == pytest.approx((floats_left - 0.2) / 0.6, abs=0.03)


def test_the_best_noise_level_of_each_family_is_the_one_that_was_built_in(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.01)
    for twin, best in ((FLOAT, 0.15), (BINARY, 0.04)):
        for level in (0.01, 0.04, 0.15, 0.5):
            mean = 0.9 if level == best else 0.5
            run.score(twin, "smoothgrad", {"noise_level": level}, "insertion_naopc", mean)
    assert verdict(run, "2-6 %") == "supported"
    assert verdict(run, "10-20 %") == "supported"


def test_two_models_without_a_single_blank_map_do_not_support_that_blanks_are_frequent(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.0)
    for twin in TWINS:
        run.score(twin, "gradcam", CAM, "blank_share", 0.0)
    assert verdict(run, "blank") == "not supported"


def test_a_claim_whose_numbers_contradict_each_other_is_mixed(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for metric, binary in (("mass_in_object", 0.3), ("pointing_game_hit_rate", 0.9)):
        run.score(FLOAT, "gradcam", CAM, metric, 0.6)
        run.score(BINARY, "gradcam", CAM, metric, binary)
    assert verdict(run, "background") == "mixed"
    assert run.answers()["GradCAM of binarized models often highlights the background"].corrected == "mixed"


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
    (finding,) = run.answers()["GradCAM of binarized models often highlights the background"].findings
    assert finding.contrast == "2 full-precision / 1 binarized"
    assert finding.interval is not None
    assert finding.interval.value == pytest.approx(-0.4, abs=0.02)


def test_pairs_that_are_seeds_of_a_pair_are_asked_with_it(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.01)
    seeds = [
        (FLOAT, BINARY, 0.3),
        (model("f1", "full-precision"), model("b1", "binarized", twin="f1"), 0.4),
        (model("f2", "full-precision"), model("b2", "binarized", twin="f2"), 0.2),
    ]
    for full, binarized, mean in seeds:
        run.score(full, "gradcam", CAM, "insertion_naopc", 0.8)
        run.score(binarized, "gradcam", CAM, "insertion_naopc", mean)
    named = {"f1": FLOAT["name"], "f2": FLOAT["name"], "b1": BINARY["name"], "b2": BINARY["name"]}
    run.store.set_meta("seeds", json.dumps(named))
    (finding,) = run.answers()["GradCAM of binarized models often highlights the background"].findings
    assert finding.contrast == "planted-float / planted-binary, 3 seeds"
    assert (finding.seeds, finding.images) == (3, len(IMAGES))
    # Three seeds whose differences are -0.5, -0.4 and -0.6: Student's interval of these three, images hardly vary.
    assert finding.interval.value == pytest.approx(-0.5, abs=0.01)
    assert finding.interval.high == pytest.approx(-0.5 + 4.303 * 0.1 / 3**0.5, abs=0.02)
    run.store.set_meta("seeds", "{}")
    assert {answer.contrast for answer in answers(RunView(run.store))} == {
        "planted-float / planted-binary", "f1 / b1", "f2 / b2",
    }  # fmt: skip


def test_pairs_that_were_each_trained_with_several_seeds_are_also_asked_together(tmp_path: Path) -> None:
    run, seeds = Run(tmp_path, scatter=0.01), {}
    for task, less in (("a", -0.3), ("b", -0.1)):
        for seed, of_seed in enumerate((-0.02, 0.0, 0.02)):
            names = [f"{task}-{family}{seed}" for family in ("float", "binary")]
            seeds |= {name: name[:-1] + "0" for name in names} if seed else {}
            run.score(model(names[0], "full-precision"), "gradcam", CAM, "insertion_naopc", 0.8)
            changed = model(names[1], "binarized", twin=names[0])
            run.score(changed, "gradcam", CAM, "insertion_naopc", 0.8 + less + of_seed)
    run.store.set_meta("seeds", json.dumps(seeds))
    run.answers()
    found = {answer.contrast: answer for answer in answers(RunView(run.store)) if "background" in answer.claim}
    assert list(found) == ["a-float0 / a-binary0, 3 seeds", "b-float0 / b-binary0, 3 seeds", "all 2 pairs"]
    (finding,) = found["all 2 pairs"].findings
    assert finding.interval.value == pytest.approx(-0.2, abs=0.01)
    assert (finding.seeds, finding.images, found["all 2 pairs"].verdict) == (6, 2 * len(IMAGES), "supported")


def test_of_several_seeds_the_lead_of_the_papers_levels_is_judged(tmp_path: Path) -> None:
    run, seeds = Run(tmp_path, scatter=0.001), {}
    for seed, of_seed in enumerate((-0.01, 0.0, 0.01)):
        names = [f"{family}{seed}" for family in ("float", "binary")]
        seeds |= {name: name[:-1] + "0" for name in names} if seed else {}
        twins = model(names[0], "full-precision"), model(names[1], "binarized", twin=names[0])
        for twin, best in zip(twins, (0.15, 0.02)):
            for level in (0.01, 0.02, 0.15, 0.5):
                mean = 0.55 if level == best else 0.5
                run.score(twin, "smoothgrad", {"noise_level": level}, "insertion_naopc", mean + of_seed)
    run.store.set_meta("seeds", json.dumps(seeds))
    level, lead = run.answers()["The best noise level is 2-6 % for binarized models"].findings
    assert (level.interval.value, level.verdict) == (0.02, "")
    assert lead.interval.value == pytest.approx(0.05, abs=0.005)
    assert lead.verdict == "supported"
    assert verdict(run, "10-20 %") == "supported"


@pytest.mark.parametrize(
    ("twins", "seeds"),
    [
        ({"b1": "f1"}, {"b1": "planted-binary"}),  # its float twin is no seed of the other
        ({"b1": "f1"}, {"f1": "gone", "b1": "gone too"}),
        ({"b1": "planted-float"}, {"b1": "planted-binary"}),  # one float model was not trained twice
    ],
)
def test_pairs_that_are_no_other_training_run_are_asked_by_themselves(
    tmp_path: Path, twins: dict[str, str], seeds: dict[str, str]
) -> None:
    run = Run(tmp_path)
    models = [FLOAT, BINARY, *(model(name, "binarized", twin=twin) for name, twin in twins.items())]
    models += [model(name, "full-precision") for name in twins.values() if name != FLOAT["name"]]
    for each in models:
        run.score(each, "gradcam", CAM, "insertion_naopc", 0.5)
    run.store.set_meta("seeds", json.dumps(seeds))
    run.answers()
    contrasts = {answer.contrast for answer in answers(RunView(run.store))}
    assert contrasts == {"planted-float / planted-binary", *(f"{twin} / {name}" for name, twin in twins.items())}


def test_a_map_that_is_worse_than_a_random_one_keeps_nothing(tmp_path: Path) -> None:
    run = Run(tmp_path, scatter=0.001)
    for twin in TWINS:
        for level, mean in ((0.01, 0.4), (0.5, 0.3)):
            run.score(twin, "smoothgrad", {"noise_level": level}, "insertion_naopc", mean)
        run.score(twin, "control-random", {}, "insertion_naopc", 0.5)
    assert not [claim for claim in run.answers() if "keep the object" in claim or "decay" in claim]


def test_a_run_without_explanations_makes_no_claims(tmp_path: Path) -> None:
    assert Run(tmp_path).answers() == {}


def test_claims_are_on_the_page_and_as_markdown(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.amplification(FLOAT, [1.0, 1.2])
    run.amplification(BINARY, [1.0, 3.0])
    run.score(FLOAT, "gradcam", CAM, "blank_share", 0.0)
    run.score(BINARY, "gradcam", CAM, "blank_share", 0.4)
    run.answers()
    assert "The paper&#39;s claims" in render(read_run(run.store)) or "The paper's claims" in render(
        read_run(run.store)
    )
    assert "**supported**" in claims_markdown(run.store)
