"""Sweeps, layers, deployment gaps, distributions and published figures: what the charts are fed with."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.stages import sanity as sanity_stage
from harness.stages.shared import DeployedJudge
from harness.store import Store
from reports.data.view import RunView, short_labels
from reports.export import write_figures
from reports.page.page import render
from reports.sections import deployed_judges, latency, published, sweeps
from reports.sections.distributions import QUANTILES, distributions
from reports.sections.run_reader import read_run
from reports.tables.scores import quality_summary
from tests.reports.synthetic_runs import BOARD, EMULATED, TWINS, RunBuilder, model

LEVELS = (0.01, 0.05, 0.2, 0.5)


def sweep_run(folder: Path) -> Path:
    """The float twin is best at 20 % noise, the binary one at 5 %; GradCAM at three layers; a judge on the board."""
    run = RunBuilder(folder, image_count=20)
    shown = run.images()
    for record, best in zip(TWINS, (0.2, 0.05)):
        for level in LEVELS:
            method = {"method": "smoothgrad", "parameters": {"noise_level": level, "samples": 25}}
            maps = run.saliency(record, method, shown)
            run.quality(maps, shown, "mass_in_object", mean=0.9 - 0.25 * abs(np.log10(level / best)))
        for layer in ("stage1_2", "stage2_1", "stage2_3"):
            method = {"method": "gradcam", "parameters": {"layer": layer}}
            run.quality(run.saliency(record, method, shown), shown, "mass_in_object", mean=0.7)
    maps = run.saliency(TWINS[0], {"method": "gradient", "parameters": {}}, shown)
    conversion = run.conversion(TWINS[0], "int8")
    run.latency(TWINS[0], "int8", conversion)
    run.quality(maps, shown, "insertion_auc", mean=0.7, curves=[[0.2, 0.6, 1.0], [0.4, 0.8, 1.0], None])
    judge = DeployedJudge(artifact=conversion, device=BOARD)
    run.quality(maps, shown, "insertion_auc", mean=0.5, judge=judge, curves=[[0.1, 0.3, 0.9], None, None])
    run.add(sanity_stage.plan(maps, "emprt"), None)
    return run.build()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sweep_run(tmp_path_factory.mktemp("sweep"))


@pytest.fixture(scope="module")
def view(folder: Path) -> Any:
    with Store(folder) as store:
        yield RunView(store)


def test_curves_are_means_over_images_with_one_line_per_judge(view: RunView) -> None:
    lines: dict[str, list[tuple[float, float]]] = {}
    for record in deployed_judges.judge_curves(view):
        lines.setdefault(record["judge"], []).append((record["changed_percent"], record["mean"]))
    assert lines["float"] == [(0, pytest.approx(0.3)), (50, pytest.approx(0.7)), (100, 1.0)]
    assert lines["int8 on pi4"] == [(0, 0.1), (50, 0.3), (100, 0.9)]


def test_maps_that_a_board_computed_are_distinguished_from_those_of_the_host(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    shown = run.images()
    here = {"method": "occlusion", "parameters": {"window": 0.2}}
    there = DeployedJudge(artifact=run.conversion(TWINS[0], "int8"), device=BOARD)
    for by, mean in ((None, 0.9), (there, 0.1)):
        run.quality(run.saliency(TWINS[0], here, shown, by=by), shown, "mass_in_object", mean=mean)
    with Store(run.build()) as store:
        means = {row["method"]: row["mean"] for row in quality_summary(RunView(store)).to_dict("records")}
        page = render(read_run(store))
    assert means["occlusion"] == pytest.approx(0.9, abs=0.1)
    assert means["occlusion by int8 on pi4"] == pytest.approx(0.1, abs=0.1)
    assert "occlusion by int8 on pi4" in page


def test_the_best_noise_level_of_each_model_is_found_with_its_range(view: RunView) -> None:
    sweep = sweeps.noise_sweep(quality_summary(view))
    assert len(sweep) == 2 * len(LEVELS)
    best = {entry["model"]: entry for entry in sweeps.best_levels(sweep)}
    assert best["planted-float"]["best"] == 0.2
    assert best["planted-binary"]["best"] == 0.05
    assert all(entry["low"] <= entry["best"] <= entry["high"] for entry in best.values())


def test_two_noise_levels_are_no_sweep(twins_store: Store) -> None:
    assert sweeps.noise_sweep(quality_summary(RunView(twins_store))) == []


def test_layers_are_a_sweep_of_their_own(view: RunView) -> None:
    layers = sweeps.layer_sweep(quality_summary(view))
    assert [record["layer"] for record in layers if record["model"] == "planted-float"] == [
        "stage1_2",
        "stage2_1",
        "stage2_3",
    ]


def test_the_deployment_gap_is_paired_by_image(view: RunView) -> None:
    [gap] = deployed_judges.deployment_gap(view, quality_summary(view))
    scores = [
        {s.image: s.value for s in view.store.scores(u.key)}
        for u in view.of_kind("quality")
        if u.spec["metric"] == "insertion_auc"
    ]
    expected = np.mean([scores[1][image] - scores[0][image] for image in scores[0]])
    assert gap["gap"] == pytest.approx(expected)
    assert gap["gap_low"] < gap["gap"] < gap["gap_high"] < 0
    assert gap["deployment"] == "planted-float int8 on pi4"
    assert (gap["mean"], gap["float_mean"]) == tuple(
        pytest.approx(np.mean(list(by_image.values()))) for by_image in reversed(scores)
    )


def test_the_deployment_gap_says_how_many_images_would_see_a_hundredth(view: RunView) -> None:
    [gap] = deployed_judges.deployment_gap(view, quality_summary(view))
    [by_float], [deployed] = (
        [
            {s.image: s.value for s in view.scores(u)}
            for u in view.of_kind("quality")
            if u.spec["metric"] == "insertion_auc" and (u.spec["judge"] == "float") is is_float
        ]
        for is_float in (True, False)
    )
    spread = np.std([deployed[image] - by_float[image] for image in by_float], ddof=1)
    assert gap["images"] == 20
    assert gap["images_needed"] == math.ceil(((1.959964 + 0.841621) * spread / 0.01) ** 2)
    assert gap["images_needed_text"] == f"{gap['images_needed']:,}"
    page = render(read_run(view.store))
    assert "The last column of the table is how many images would find a gap of 0.01 with 80 % power" in page
    assert "It is never less than 5, the fewest that have an interval." in page
    assert '"images_needed_text":"Images for 80 %"' in page


@pytest.mark.parametrize(("images", "said"), [(20, "does not vary"), (4, "–")])
def test_a_gap_that_does_not_vary_or_rests_on_too_few_images_has_no_number(
    tmp_path: Path, images: int, said: str
) -> None:
    run = RunBuilder(tmp_path, image_count=images)
    shown = run.images()
    maps = run.saliency(TWINS[1], {"method": "gradient", "parameters": {}}, shown)
    artifact = run.conversion(TWINS[1], "lce")
    for judge in (None, DeployedJudge(artifact=artifact, device=BOARD)):
        run.rng = np.random.default_rng(1)  # the same scores twice
        run.quality(maps, shown, "deletion_auc", mean=0.7, judge=judge)
    with Store(run.build()) as store:
        [gap] = deployed_judges.deployment_gap(RunView(store), quality_summary(RunView(store)))
    assert (gap["gap"], gap["images_needed"], gap["images_needed_text"]) == (0, None, said)


def test_the_page_shows_all_of_it(view: RunView) -> None:
    page = render(read_run(view.store))
    for heading in ("Noise sweep", "Layers", "Deployment gap", "Sanity checks and controls"):
        assert heading in page


def test_figures_are_written_with_the_data_behind_them(folder: Path) -> None:
    names = {path.name for path in write_figures(folder)}
    chart = "deployment_gap-gradient-insertion_auc"
    assert {f"{chart}.svg", f"{chart}.png", f"{chart}.csv", "grid-gradient.svg", "grid-gradient.png"} <= names
    assert (folder / "figures" / f"{chart}.svg").read_text().startswith("<svg")
    assert (folder / "figures" / "grid-gradient.png").read_bytes().startswith(b"\x89PNG")


def test_grids_are_the_same_files_every_time(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path, image_count=2)
    run.saliency(TWINS[0], {"method": "gradient", "parameters": {}}, run.images())
    folder = run.build()
    first, second = ([path.read_bytes() for path in write_figures(folder)] for _ in range(2))
    assert len(first) == 2
    assert first == second


def test_labels_name_only_what_differs() -> None:
    same = {"samples": 25}
    labels = short_labels(
        {
            "a": ("smoothgrad", {**same, "noise_level": 0.02}),
            "b": ("smoothgrad", {**same, "noise_level": 0.2}),
            "c": ("gradient", {}),
        }
    )
    assert labels == {"a": "smoothgrad (noise_level=0.02)", "b": "smoothgrad (noise_level=0.2)", "c": "gradient"}


def test_a_distribution_keeps_the_median_and_the_validity(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    unit = run.latency(TWINS[0], "fp32", conversion, verdict="invalid", verdict_reason="hot")
    run.latency(TWINS[0], "fp32", conversion, device=EMULATED)
    with Store(run.build()) as store:
        records = distributions(RunView(store))
        samples = store.unit(unit.key).result["samples_ns"]
    assert len(records) == QUANTILES
    assert {record["label"] for record in records} == {"planted-float fp32, 1 thread, invalid"}
    assert records[0]["median_ms"] == pytest.approx(np.median(samples) / 1e6, abs=1e-5)


def test_a_long_measurement_shows_burst_against_sustained_speed(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion)
    run.sustained(TWINS[0], "fp32", conversion, burst_ms=1.0, sustained_ms=1.5)
    run.sustained(TWINS[0], "int8", run.conversion(TWINS[0], "int8"), burst_ms=1.2, sustained_ms=1.2)
    with Store(run.build()) as store:
        view, page = RunView(store), render(read_run(store))
        over_time, ends = latency.over_time(view), latency.burst_and_sustained(view)
        assert len(distributions(view)) == QUANTILES  # of the round alone
    assert [(end["burst_ns"], end["sustained_ns"], end["slowdown"]) for end in ends] == [
        (1e6, 1.5e6, 1.5),
        (1.2e6, 1.2e6, 1),
    ]
    fp32 = [record["ms"] for record in over_time if record["format"] == "fp32"]
    assert (fp32[0], fp32[-1]) == (1.0, 1.5)
    assert fp32 == sorted(fp32)
    assert latency.rankings(ends) == {"this-host": True}
    assert "Burst and sustained speed" in page
    assert "On this-host the ranking of the deployments changed." in page


def test_a_ranking_needs_two_artifacts_that_are_clearly_apart(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    conversion = run.conversion(TWINS[0], "fp32")
    run.sustained(TWINS[0], "fp32", conversion, burst_ms=1.0, sustained_ms=1.04)
    with Store(run.build()) as store:
        assert latency.rankings(latency.burst_and_sustained(RunView(store))) == {}
    run = RunBuilder(tmp_path / "two")
    run.sustained(TWINS[0], "fp32", conversion, burst_ms=1.0, sustained_ms=1.04)
    run.sustained(TWINS[0], "int8", run.conversion(TWINS[0], "int8"), burst_ms=1.04, sustained_ms=1.0)
    with Store(run.build()) as store:
        assert latency.rankings(latency.burst_and_sustained(RunView(store))) == {"this-host": False}


# ------------------------------------------------------------------------------------------------ published figures
def test_every_published_figure_has_a_source_an_address_and_a_date() -> None:
    for figure in published.figures():
        assert figure["source"]
        assert figure["url"].startswith("https://github.com/")
        assert figure["measured"].startswith("2020-")
        assert figure["ms"] > 0


def quicknet_run(folder: Path, p50_ms: float, **more: Any) -> Path:
    run, record = RunBuilder(folder), model("quicknet", "binarized", weights="imagenet")
    run.latency(record, "lce", run.conversion(record, "lce"), p50_ms=p50_ms, device=BOARD, **more)
    return run.build()


def test_a_known_model_stands_beside_its_published_figures(tmp_path: Path) -> None:
    with Store(quicknet_run(tmp_path, 47.0)) as store:
        page = render(read_run(store))
    assert "Published figures" in page
    assert "larq/compute-engine README.md at commit 04ce741a" in page
    assert "Why this board may be slower" not in page


def test_a_board_far_slower_than_published_is_given_likely_causes(tmp_path: Path) -> None:
    with Store(quicknet_run(tmp_path, 470.0, extra={"kernels": "reference"})) as store:
        page = render(read_run(store))
    assert "Why this board may be slower" in page
    assert "reference kernels ran, not optimized ones" in page


def test_an_unknown_model_is_not_compared_with_others(twins_store: Store) -> None:
    assert "Published figures" not in render(read_run(twins_store))
