"""Explanations of a flatbuffer alone in a run: its own scores make the maps and judge them; gradients ask for Keras.

The peer is the Keras model that the file was converted from, in the same run: same images, same masks, same scores.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.tflite import fp32
from harness.errors import ConfigError
from harness.execution.coordinator import run
from harness.execution.own_models import completed
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.plan.planner import plan
from harness.saliency import GradientEngine
from harness.saliency.methods.scorer import FunctionScorer
from harness.stages.context import RunContext
from harness.store import Store
from harness.store.unit_inputs import UnitInputs
from harness.store.units import Unit
from reports.data.view import RunView

PEER = "planted-float"
EXPERIMENT = """
models = ["planted-float"]
formats = ["fp32"]
[[model]]
name = "file"
path = "planted.tflite"
{keras}
[dataset]
kind = "planted"
[accuracy]
images = 2
[saliency]
images = 2
controls = true
methods = [{methods}]
{on_device}
[quality]
metrics = [{{ name = "insertion_auc", steps = 8 }}, "mass_in_object"]
{rest}
"""
RISE = '{ name = "rise", masks = 60 }'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    keras_model = load_model(catalogue_model(PEER, CATALOGUE[PEER]))
    (folder / "planted.tflite").write_bytes(fp32(keras_model))
    keras_model.save(folder / "planted.keras")
    return folder


def experiment(folder: Path, *, keras: bool = False, methods: str = RISE, on_device: str = "", rest: str = "") -> Any:
    beside = 'keras = "planted.keras"' if keras else ""
    text = EXPERIMENT.format(keras=beside, methods=methods, on_device=on_device, rest=rest)
    (folder / "small.toml").write_text(text)
    return read_experiment(folder / "small.toml")


def planned(folder: Path, **wanted: Any) -> tuple[list[Unit], RunContext]:
    whole = completed(experiment(folder, **wanted))
    context = RunContext(whole, UnitInputs(Path()))
    return plan(whole, context.dataset_of), context


# ------------------------------------------------------------------------------------------------------------- a run
@pytest.fixture(scope="module")
def view(folder: Path) -> RunView:
    board = f"[[saliency.on_device]]\nmethods = [{RISE}]"
    summary = run(experiment(folder, on_device=board), folder / "run", worker_config=WorkerConfig(workers=0))
    assert summary.failed == 0
    return RunView(Store(folder / "run"))


def maps(view: RunView, model: str, method: str, *, on_device: bool = False) -> tuple[Any, np.ndarray]:
    [unit] = [
        unit
        for unit in view.of_kind("saliency")
        if (unit.spec["model"]["name"], unit.spec["method"]) == (model, method) and ("device" in unit.spec) == on_device
    ]
    return unit, view.store.load_array(unit.result["blob"])


def scores(view: RunView, model: str, method: str, metric: str) -> np.ndarray:
    made = maps(view, model, method)[0].key
    [unit] = [u for u in view.of_kind("quality") if u.needs["saliency"] == made and u.spec["metric"] == metric]
    return np.array([score.value for score in view.scores(unit)], float)


@pytest.mark.slow
def test_rise_of_the_file_is_rise_of_its_keras_model(view: RunView) -> None:
    _, of_keras = maps(view, PEER, "rise")
    _, of_file = maps(view, "file", "rise")
    np.testing.assert_allclose(of_file, of_keras, atol=1e-4)


@pytest.mark.slow
def test_the_file_on_a_device_makes_the_maps_that_it_makes_here(view: RunView) -> None:
    np.testing.assert_allclose(maps(view, "file", "rise", on_device=True)[1], maps(view, "file", "rise")[1], atol=1e-5)


@pytest.mark.slow
def test_the_file_judges_its_maps_as_its_keras_model_does(view: RunView) -> None:
    for method in ("rise", "control-random", "control-perfect"):
        ours, peers = (scores(view, model, method, "insertion_auc") for model in ("file", PEER))
        assert ours == pytest.approx(peers, abs=1e-3)


@pytest.mark.slow
def test_rise_of_the_file_finds_the_planted_object(view: RunView) -> None:
    for metric in ("insertion_auc", "mass_in_object"):
        rise, random = (scores(view, "file", method, metric).mean() for method in ("rise", "control-random"))
        assert rise > random, metric


# ------------------------------------------------------------------------------------------------------------ the plan
@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"methods": '"gradient"'}, '[saliency] "gradient" takes gradients'),
        ({"methods": '{ name = "smoothgrad", base = "gradcam" }'}, '[saliency] "smoothgrad" takes gradients'),
        ({"rest": '[sanity]\nchecks = ["emprt"]\nimages = 2'}, "[sanity] shuffles weights of layers"),
        (
            {"rest": "[amplification]\nimages = 2\nnoise_levels = [0.1]"},
            "[amplification] follows noise through layers",
        ),
    ],
)
def test_what_asks_for_layers_of_a_file_alone_is_refused_before_anything_is_done(
    folder: Path, wanted: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        planned(folder, **wanted)
    first, second = str(refusal.value).split("\n")
    assert first == f'{problem}, and model "file" is a flatbuffer, which has none'
    assert second.startswith('  try: keras = "FILE" in its [[model]] table, a Keras file of the same model; or ')


def test_with_a_keras_file_gradients_are_its_and_scores_are_the_files(folder: Path) -> None:
    units, context = planned(folder, keras=True, methods=f'"gradient", {RISE}')
    made = {u.spec["method"]: u for u in units if u.kind == "saliency" and u.spec["model"]["name"] == "file"}
    assert isinstance(context.explainer(made["gradient"].spec), GradientEngine)
    scorer = context.explainer(made["rise"].spec)
    assert isinstance(scorer, FunctionScorer)
    assert scorer.candidates, "inner tensors of the file"
    assert judges_of_file(units) == {"float", "tflite"}, "its Keras file, and the file itself"


def judges_of_file(units: list[Unit]) -> set[str]:
    made = {u.key for u in units if u.kind == "saliency" and u.spec["model"]["name"] == "file"}
    asked = [u for u in units if u.kind == "quality" and u.needs["saliency"] in made]
    return {"float" if u.spec["judge"] == "float" else u.spec["judge"]["format"] for u in asked}
