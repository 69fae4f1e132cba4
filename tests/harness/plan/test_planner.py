"""The plan: which units an experiment needs, each once, and what changes when the experiment does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli.run import DEMO
from harness.datasets.planted import PlantedDataset
from harness.errors import ConfigError
from harness.experiment.reader import read_experiment
from harness.plan.planner import plan
from harness.registry import resolve
from harness.stages.stage_table import STAGES
from harness.store import Unit


def planned(tmp_path: Path, *, replace: tuple[str, str] = ("", "")) -> list[Unit]:
    path = tmp_path / "demo.toml"
    path.write_text(DEMO.read_text().replace(*replace))
    return plan(read_experiment(path), lambda model: PlantedDataset())


def of_kind(units: list[Unit], kind: str) -> list[Unit]:
    return [unit for unit in units if unit.kind == kind]


def test_demo_needs_each_unit_once_and_in_the_order_of_the_stages(tmp_path: Path) -> None:
    units = planned(tmp_path)
    kinds = list(STAGES)
    assert len({unit.key for unit in units}) == len(units)
    assert [kinds.index(unit.kind) for unit in units] == sorted(kinds.index(unit.kind) for unit in units)
    # 2 models x 4 methods; 4 artifacts x 2 thread counts x 3 rounds; 4 artifacts + 2 Keras references
    assert [len(of_kind(units, kind)) for kind in ("saliency", "latency", "accuracy")] == [8, 24, 6]


def test_units_build_only_on_units_of_the_same_plan(tmp_path: Path) -> None:
    units = planned(tmp_path)
    keys = {unit.key for unit in units}
    references = [key for unit in units for key in unit.needs.values()]
    assert references
    assert set(references) <= keys


def test_every_stage_of_the_table_resolves() -> None:
    assert all(callable(resolve(stage.perform)) for stage in STAGES.values())


def test_same_experiment_has_the_same_keys(tmp_path: Path) -> None:
    assert [unit.key for unit in planned(tmp_path)] == [unit.key for unit in planned(tmp_path)]


def test_more_images_for_accuracy_renew_accuracy_alone(tmp_path: Path) -> None:
    before, after = planned(tmp_path), planned(tmp_path, replace=("images = 500", "images = 400"))
    renewed = {unit.kind for unit in after} - {unit.kind for unit in after if unit.key in {u.key for u in before}}
    changed = {unit.kind for unit in after if unit.key not in {u.key for u in before}}
    assert renewed == {"accuracy"}
    assert changed == {"accuracy", "images"}


def test_another_noise_level_renews_the_maps_and_scores_of_that_level_alone(tmp_path: Path) -> None:
    before, after = planned(tmp_path), planned(tmp_path, replace=("[0.02, 0.2]", "[0.02, 0.3]"))
    new = [unit for unit in after if unit.key not in {u.key for u in before}]
    assert {unit.kind for unit in new} == {"saliency", "quality"}
    assert {unit.spec["parameters"]["noise_level"] for unit in new if unit.kind == "saliency"} == {0.3}


def test_calibration_never_uses_images_that_judge(tmp_path: Path) -> None:
    units = {unit.key: unit for unit in planned(tmp_path)}
    calibrated = [unit for unit in units.values() if unit.kind == "conversion" and "calibration" in unit.needs]
    assert calibrated
    assert all(units[unit.needs["calibration"]].spec["split"] == "train" for unit in calibrated)
    judging = [units[unit.needs["images"]] for unit in units.values() if "images" in unit.needs]
    assert {unit.spec["split"] for unit in judging} == {"test"}


def test_artifacts_are_measured_in_seeded_interleaved_rounds(tmp_path: Path) -> None:
    units = of_kind(planned(tmp_path, replace=("threads = [1, 2]", "threads = [1, 2]\nrounds = 2")), "latency")
    rounds = [unit.spec["round"] for unit in units]
    assert rounds == sorted(rounds)
    first, second = (
        [(u.needs["conversion"], u.spec["num_threads"]) for u in units if u.spec["round"] == r] for r in (0, 1)
    )
    assert sorted(first) == sorted(second)
    assert first != second


def test_runtimes_of_one_device_take_turns_in_each_round(tmp_path: Path) -> None:
    both = ("seed = 0", 'seed = 0\nruntimes = ["ai-edge-litert", "tensorflow"]')
    units = of_kind(planned(tmp_path, replace=both), "latency")
    rounds = [unit.spec["round"] for unit in units]
    assert rounds == sorted(rounds)
    first = [unit.spec["runtime"] for unit in units if unit.spec["round"] == 0]
    assert sorted(first) == sorted(["ai-edge-litert", "tensorflow"] * (len(first) // 2))
    assert first not in (sorted(first), sorted(first, reverse=True))


def test_a_sustained_measurement_follows_the_rounds_and_changes_none_of_them(tmp_path: Path) -> None:
    before = of_kind(planned(tmp_path), "latency")
    asked = 'threads = [1, 2]\nsustained = "30min"'
    after = of_kind(planned(tmp_path, replace=("threads = [1, 2]", asked)), "latency")
    assert [unit.key for unit in after[: len(before)]] == [unit.key for unit in before]
    long = after[len(before) :]
    artifacts = {unit.needs["conversion"] for unit in before}
    assert {unit.needs["conversion"] for unit in long} == artifacts
    assert [(unit.spec["sustained_s"], unit.spec["num_threads"]) for unit in long] == [(1800.0, 1)] * len(artifacts)


def test_an_emulated_device_has_no_sustained_speed(tmp_path: Path) -> None:
    asked = '[[device]]\nname = "cortex-a72"\nkind = "emulated"\n\n[latency]\nsustained = "30min"'
    units = of_kind(planned(tmp_path, replace=("[latency]", asked)), "latency")
    kinds = {unit.spec["device"]["kind"] for unit in units if "sustained_s" in unit.spec}
    assert {unit.spec["device"]["kind"] for unit in units} - kinds == {"emulated"}


def test_energy_is_estimated_where_it_is_asked_for(tmp_path: Path) -> None:
    asked = ("threads = [1, 2]", "threads = [1, 2]\nenergy = true")
    assert all(unit.spec["protocol"]["energy"] for unit in of_kind(planned(tmp_path, replace=asked), "latency"))


def test_pinning_is_part_of_the_protocol_where_it_is_asked_for(tmp_path: Path) -> None:
    plain = of_kind(planned(tmp_path), "latency")
    pinned = of_kind(planned(tmp_path, replace=("threads = [1, 2]", "threads = [1, 2]\ncpus = [0, 1]")), "latency")
    assert {tuple(unit.spec["protocol"]) for unit in plain} == {("min_runs", "min_seconds")}
    assert all(unit.spec["protocol"]["cpus"] == [0, 1] for unit in pinned)


def test_more_images_than_the_data_set_has_is_refused_with_both_numbers(tmp_path: Path) -> None:
    wanted = r"\[accuracy\] images: 6,000 images of the test split are wanted for model .*, and it has 5,000\n.*= 5000"
    with pytest.raises(ConfigError, match=wanted):
        planned(tmp_path, replace=("images = 500", "images = 6000"))


class FewImages(PlantedDataset):
    """With as many images in each split as it is told."""

    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self._sizes = sizes

    def size(self, split: str) -> int:
        return self._sizes[split]


CALIBRATING = "[conversion] calibration_images: "
MOST = "[conversion]\ncalibration_images = 50"
TOO_FEW = {  # a table more, images that train and that judge: what is said
    (MOST, 40, 500): CALIBRATING + "50 images of the train split|calibration_images = 40",
    ("", 0, 500): CALIBRATING + "1 images of the train split|formats that need none: fp32, fp16, dynamic, lce",
    ("[sanity]\nimages = 600", 40, 500): "[sanity] images: 600 images of the test split|images = 500",
    ("[amplification]\nnoise_levels = [0.1]\nimages = 700", 40, 500): "[amplification] images: 700 images|images = 500",
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_FEW)
def test_too_few_images_are_refused_by_the_key_that_asks_for_more(tmp_path: Path, case: tuple[str, int, int]) -> None:
    table, train, test = case
    path = tmp_path / "demo.toml"
    path.write_text(f"{DEMO.read_text()}\n{table}")
    with pytest.raises(ConfigError) as caught:
        plan(read_experiment(path), lambda model: FewImages(train=train, test=test))
    problem, hint = TOO_FEW[case].split("|")
    assert problem in str(caught.value)
    assert hint in str(caught.value)
    assert "\n  try: " in str(caught.value)
