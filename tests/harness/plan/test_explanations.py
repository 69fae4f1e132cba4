"""What an experiment asks about explanations: which units are planned, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.datasets.planted import PlantedDataset
from harness.errors import ConfigError
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan
from harness.saliency import precision
from harness.store import Unit

BASE = """
models = ["planted-float", "planted-binary"]
formats = ["fp32", "int8", "lce"]
[dataset]
kind = "planted"
[saliency]
images = 6
batch = 4
methods = ["gradient", { name = "smoothgrad", noise_level = [0.02, 0.2] }, "occlusion"]
"""


def planned(tmp_path: Path, tables: str) -> list[Unit]:
    path = tmp_path / "experiment.toml"
    path.write_text(BASE + tables)
    return plan(read_experiment(path), lambda model: PlantedDataset())


def of_kind(units: list[Unit], kind: str) -> list[Unit]:
    return [unit for unit in units if unit.kind == kind]


def test_images_are_explained_in_batches_that_cover_each_once(tmp_path: Path) -> None:
    units = planned(tmp_path, "")
    images = {unit.key: unit.spec for unit in of_kind(units, "images")}
    explained = {u.needs["images"] for u in of_kind(units, "saliency") if u.spec["model"]["name"] == "planted-float"}
    assert sorted((images[key]["first"], images[key]["count"]) for key in explained) == [(0, 4), (4, 2)]


@pytest.fixture
def cpu_for_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)


FLOAT_TWIN = BASE.replace(', "planted-binary"', "").replace(', "lce"', "")


def with_precision(tmp_path: Path, value: str, *, base: str = FLOAT_TWIN) -> list[Unit]:
    path = tmp_path / "experiment.toml"
    path.write_text(base.replace("[saliency]", f'[saliency]\nprecision = "{value}"'))
    return of_kind(plan(read_experiment(path), lambda model: PlantedDataset()), "saliency")


def test_units_in_the_usual_precision_keep_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(FLOAT_TWIN)
    usual = of_kind(plan(read_experiment(path), lambda model: PlantedDataset()), "saliency")
    assert [u.key for u in with_precision(tmp_path, "float32")] == [u.key for u in usual]
    assert not any("precision" in unit.spec for unit in usual)


@pytest.mark.usefixtures("cpu_for_bfloat16")
def test_bfloat16_is_of_the_maps_by_gradients_alone(tmp_path: Path) -> None:
    units = with_precision(tmp_path, "bfloat16")
    assert {u.spec["method"] for u in units if u.spec.get("precision") == "bfloat16"} == {"gradient", "smoothgrad"}
    assert {u.spec["method"] for u in units if "precision" not in u.spec} == {"occlusion"}


@pytest.mark.usefixtures("cpu_for_bfloat16")
def test_bfloat16_of_a_binarized_model_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'\[saliency\] precision: "bfloat16" is not for model "planted-binary"'):
        with_precision(tmp_path, "bfloat16", base=BASE)


def test_bfloat16_on_a_cpu_without_it_is_refused_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    with pytest.raises(ConfigError, match="this one has neither avx512_bf16 nor amx_bf16"):
        with_precision(tmp_path, "bfloat16")


def test_bfloat16_without_a_method_of_gradients_is_refused(tmp_path: Path) -> None:
    scores_alone = FLOAT_TWIN.replace('"gradient", { name = "smoothgrad", noise_level = [0.02, 0.2] }, ', "")
    with pytest.raises(ConfigError, match="is for methods of gradients"):
        with_precision(tmp_path, "bfloat16", base=scores_alone)


def test_another_precision_is_a_mistake_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[saliency\] precision: expected .*float32.*bfloat16"):
        with_precision(tmp_path, "bf16")


def test_a_metric_that_names_methods_scores_their_maps_alone(tmp_path: Path) -> None:
    table = '[quality]\nmetrics = ["sparseness", { name = "avg_sensitivity", methods = ["gradient"] }]'
    units = of_kind(planned(tmp_path, table), "quality")
    assert {u.spec["method"] for u in units if u.spec["metric"] == "avg_sensitivity"} == {"gradient"}
    assert {u.spec["method"] for u in units if u.spec["metric"] == "sparseness"} == {
        "gradient",
        "smoothgrad",
        "occlusion",
    }


def test_aopc_bounds_are_searched_once_for_all_methods_and_both_normalised_metrics(tmp_path: Path) -> None:
    units = planned(tmp_path, '[quality]\nmetrics = ["insertion_naopc", "deletion_naopc"]')
    bounds = of_kind(units, "aopc_bounds")
    assert len(bounds) == 2 * 2  # models x batches
    assert {u.needs["aopc_bounds"] for u in of_kind(units, "quality")} == {u.key for u in bounds}


def test_the_chosen_artifacts_judge_the_chosen_maps_by_the_chosen_metrics(tmp_path: Path) -> None:
    tables = """
    [quality]
    metrics = ["insertion_auc", "deletion_auc", "sparseness"]
    [[quality.judge]]
    formats = ["int8", "lce"]
    methods = ["gradient", { name = "smoothgrad", noise_level = 0.02 }]
    metrics = ["insertion_auc"]
    """
    judged = [u for u in of_kind(planned(tmp_path, tables), "quality") if u.spec["judge"] != "float"]
    assert {(u.spec["model"]["name"], u.spec["judge"]["format"]) for u in judged} == {
        ("planted-float", "int8"),
        ("planted-binary", "lce"),
    }
    assert {u.spec["metric"] for u in judged} == {"insertion_auc"}
    assert len(judged) == 2 * 2 * 2  # models x methods x batches


def test_maps_are_compared_with_the_reference_with_the_twin_and_with_the_board(tmp_path: Path) -> None:
    tables = '[[saliency.on_device]]\nmethods = ["occlusion"]\nformats = ["int8"]\n'
    units = planned(tmp_path, tables + '[agreement]\nmetrics = ["spearman"]\nreference = "gradient"\ntwins = true')
    keys = {unit.key for unit in units}
    compared = of_kind(units, "agreement")
    assert {u.needs["first"] for u in compared} | {u.needs["second"] for u in compared} <= keys
    counts = {what: sum(u.spec["what"] == what for u in compared) for what in ("reference", "twin", "deployed")}
    # of 2 batches: 3 other methods on 2 models; 4 methods of the pair; the board's map against occlusion and gradient
    assert counts == {"reference": 2 * 3 * 2, "twin": 2 * 4, "deployed": 2 * 2}


def test_data_randomisation_brings_the_partner_that_was_trained_on_shuffled_labels(tmp_path: Path) -> None:
    units = planned(tmp_path, '[sanity]\nchecks = ["data_randomisation"]\nmethods = ["gradient"]')
    checks = of_kind(units, "sanity")
    maps = {unit.key: unit.spec["model"] for unit in of_kind(units, "saliency")}
    assert {maps[u.needs["other"]].get("shuffled") for u in checks} == {"planted-float", "planted-binary"}
    assert {u.spec["model"]["name"] for u in of_kind(units, "conversion")} == {"planted-float", "planted-binary"}


def test_controls_are_maps_like_others_and_the_perfect_one_needs_masks(tmp_path: Path) -> None:
    units = of_kind(planned(tmp_path, "controls = true"), "saliency")
    methods = {u.spec["method"] for u in units}
    assert {"control-random", "control-centre", "control-perfect"} <= methods


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ('[quality]\nmetrics = ["sparsness"]', r'\[quality\] metrics: expected a metric, got "sparsness"'),
        (
            '[quality]\nmetrics = [{ name = "road", depth = 3 }]',
            r'\[quality\] road depth: "road" has no such parameter',
        ),
        (
            '[quality]\nmetrics = ["road"]\n[[quality.judge]]\nformats = ["fp16"]',
            'expected a format of this experiment, got "fp16"',
        ),
        (
            '[quality]\nmetrics = ["road"]\n[[quality.judge]]\nmethods = ["gradcam"]',
            'expected one of the methods of .saliency., with the same parameters, got "gradcam"',
        ),
        (
            '[quality]\nmetrics = ["sparseness"]\n[[quality.judge]]\nmetrics = ["sparseness"]',
            'expected one of the metrics of .quality. that ask a judge, got "sparseness"',
        ),
        (
            '[[saliency.on_device]]\nmethods = ["gradient"]',
            'expected methods of forward passes only, got "gradient"',
        ),
        ('[agreement]\nreference = "gradcam"', 'expected one of the methods of .saliency.*, got "gradcam"'),
        ('[sanity]\nchecks = ["luck"]', r"\[sanity\] checks, item 1: expected"),
        ("[amplification]\nnoise_levels = [-1.0]", r"noise_levels, item 1: expected a number > 0.0, got -1.0"),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, tables: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        planned(tmp_path, tables)


@pytest.mark.parametrize("table", ["[sanity]", "[agreement]", "[amplification]\nnoise_levels = [0.1]"])
def test_a_table_on_explanations_alone_is_refused_and_never_ignored(tmp_path: Path, table: str) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(BASE[: BASE.index("[saliency]")] + table)
    with pytest.raises(ConfigError, match=r"expected a \[saliency\] table beside it"):
        read_experiment(path)


def test_every_model_sees_the_images_of_exactly_one_table(tmp_path: Path) -> None:
    text = BASE.replace("[dataset]", "[[dataset]]").replace(
        'kind = "planted"', 'kind = "planted"\nmodels = ["planted-float"]'
    )
    path = tmp_path / "experiment.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="got none for planted-binary"):
        read_experiment(path)
    path.write_text(text + '[[dataset]]\nkind = "planted"\nseed = 3\n')
    experiment = read_experiment(path)
    assert [experiment.dataset_of(name).seed for name in ("planted-float", "planted-binary")] == [0, 3]
