"""What the stages that explain give: the same scores in any batches, and from the artifact as from its float model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.stages import amplification
from harness.store import Store, Unit
from reports.data.view import RunView

SMALL = """
models = ["planted-float"]
formats = ["fp32"]
[dataset]
kind = "planted"
[accuracy]
images = 4
[saliency]
images = 4
batch = BATCH
methods = ["gradient", { name = "occlusion", window = 0.5, stride = 0.25, baseline = "channel_mean" }]
[[saliency.on_device]]
methods = [{ name = "occlusion", window = 0.5, stride = 0.25, baseline = "channel_mean" }]
[quality]
metrics = [
    { name = "insertion_auc", steps = 4 }, { name = "mu_fidelity", samples = 8 },
    "mass_in_object", "grid_pointing_game",
]
[[quality.judge]]
methods = ["gradient"]
[agreement]
metrics = ["spearman"]
reference = "gradient"
[sanity]
checks = ["emprt", "data_randomisation"]
methods = ["gradient"]
images = 2
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, RunView]:
    """The same experiment in batches of four and of three images."""
    views = {}
    for batch in (4, 3):
        folder = tmp_path_factory.mktemp(f"batch{batch}")
        (folder / "small.toml").write_text(SMALL.replace("BATCH", str(batch)))
        summary = run(read_experiment(folder / "small.toml"), folder / "run", worker_config=WorkerConfig(workers=0))
        assert summary.failed == 0
        views[batch] = RunView(Store(folder / "run"))
    return views


def values(view: RunView, kind: str, **wanted: Any) -> dict[str, float | None]:
    (unit,) = [u for u in view.of_kind(kind) if all(u.spec.get(name) == value for name, value in wanted.items())]
    return {score.image: score.value for score in view.scores(unit)}


@pytest.mark.parametrize("metric", ["insertion_auc", "mu_fidelity"])
def test_the_float_artifact_on_a_device_judges_as_the_float_model_does(runs: dict[int, RunView], metric: str) -> None:
    view = runs[4]
    judged = [u for u in view.of_kind("quality") if u.spec["metric"] == metric and u.spec["method"] == "gradient"]
    here, there = ({s.image: s.value for s in view.scores(unit)} for unit in judged)
    assert sorted(here) == sorted(there)
    assert list(here.values()) == pytest.approx([there[image] for image in here], abs=1e-3)


def test_a_map_by_forward_passes_of_the_float_artifact_is_that_of_the_float_model(runs: dict[int, RunView]) -> None:
    view = runs[4]
    keys = {u.key: u.spec["method"] for u in view.of_kind("saliency")}
    (alike,) = [
        u for u in view.of_kind("agreement") if u.spec["what"] == "deployed" and keys[u.needs["second"]] == "occlusion"
    ]
    assert min(score.value or 0.0 for score in view.scores(alike)) > 0.99


def test_another_batch_size_gives_the_same_scores(runs: dict[int, RunView]) -> None:
    for unit in runs[4].of_kind("quality"):
        wanted = {name: unit.spec[name] for name in ("method", "metric", "parameters")}
        same = [u for u in runs[3].of_kind("quality") if {name: u.spec[name] for name in wanted} == wanted]
        (other,) = [u for u in same if (u.spec["judge"] == "float") == (unit.spec["judge"] == "float")
                    and ("device" in _maps(runs[3], u)) == ("device" in _maps(runs[4], unit))]  # fmt: skip
        before = {score.image: score.value for score in runs[4].scores(unit)}
        after = {score.image: score.value for score in runs[3].scores(other)}
        assert list(after) == list(before)
        assert [after[image] for image in before] == pytest.approx(list(before.values()), abs=1e-5, nan_ok=True)


def _maps(view: RunView, unit: Any) -> dict[str, Any]:
    maps = view.find(unit.needs["saliency"])
    assert maps is not None
    return maps.spec


def test_sanity_checks_have_a_value_for_every_image(runs: dict[int, RunView]) -> None:
    for check in ("emprt", "data_randomisation"):
        assert all(value is not None for value in values(runs[4], "sanity", check=check).values())


class _Layers:
    """Stands in for a model: one layer that doubles its input, and one that adds as much as the input is long."""

    batch_size = 2
    candidates = (SimpleNamespace(name="double"), SimpleNamespace(name="shifted"))

    def backward(self, images: NDArray[np.float32], targets: Any, *, layers: Any, input_gradient: bool) -> Any:
        return SimpleNamespace(features={"double": 2 * images, "shifted": images + 100})


def test_doubling_amplifies_nothing_and_a_large_offset_hides_noise() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    record = {"height": 8, "width": 8, "channel_order": "rgb", "mean": [0.0] * 3, "scale": [1 / 255] * 3}
    context: Any = SimpleNamespace(
        images=lambda key: SimpleNamespace(pixels=pixels, keys=("a", "b", "c")), engine=lambda name: _Layers()
    )
    spec = {"model": {"name": "m", "preprocessing": record}, "noise_level": 0.1, "seed": 0}
    unit = Unit(kind="amplification", spec=spec, needs={"images": "i"})
    result = amplification.perform(unit, context, lambda fraction: None).result
    assert result["layers"] == ["double", "shifted"]
    doubled, shifted = np.array(result["values"]).T
    assert doubled == pytest.approx(1.0, abs=1e-5)
    assert (shifted < 0.02).all()
