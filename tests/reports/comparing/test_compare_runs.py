"""Comparing runs: what changed, what is refused, and when a gate fails."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.store import UnreadableStore
from reports.comparing import runs
from reports.comparing.gates import check_gates, describe, parse_gate
from reports.comparing.listing import VERDICTS, in_order, record
from reports.comparing.markdown import differences_markdown
from reports.comparing.runs import Difference
from reports.errors import ReportError
from tests.reports.synthetic_runs import BOARD, EMULATED, HOST, METHODS, TWINS, RunBuilder


def run(
    folder: Path, *, p50_ms: float = 5.0, rounds: int = 4, top1: float = 0.9, seed: int = 0, **latency: Any
) -> Path:
    built = RunBuilder(folder, seed=seed)
    conversion, images = built.conversion(TWINS[0], "fp32"), built.images(purpose="accuracy")
    built.accuracy(TWINS[0], "fp32", images, top1=top1, conversion=conversion, device=latency.get("device", HOST))
    for number in range(rounds):
        built.latency(TWINS[0], "fp32", conversion, p50_ms=p50_ms, round=number, samples=60, **latency)
    return built.build()


def compare(folders: Sequence[Path]) -> list[Difference]:
    compared = runs.compare(folders)
    assert compared.damage == {}
    return compared.differences


def only(differences: list[Difference], measure: str) -> Difference:
    [difference] = [d for d in differences if d.measure == measure and d.row.format]
    return difference


def test_equal_runs_have_no_clear_difference(tmp_path: Path) -> None:
    differences = compare([run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2)])
    assert {only(differences, name).verdict for name in ("p50", "top1", "top5")} == {"no clear difference"}


def test_a_slowdown_is_found_with_its_size(tmp_path: Path) -> None:
    difference = only(compare([run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2, p50_ms=6.0)]), "p50")
    assert difference.verdict == "worse"
    assert difference.change is not None
    assert difference.change.low is not None
    assert difference.change.high is not None
    assert difference.change.low < 0.2 < difference.change.high
    assert difference.change.value == pytest.approx(0.2, abs=0.06)


def test_rounds_not_samples_decide(tmp_path: Path) -> None:
    # thousands of samples of two rounds are still two processes: there is an estimate and no answer
    difference = only(compare([run(tmp_path / "a", rounds=2), run(tmp_path / "b", rounds=2, p50_ms=6.0)]), "p50")
    assert difference.verdict == "no answer"
    assert difference.reason == "fewer than 3 rounds, so no interval"


def test_accuracy_is_paired_by_image(tmp_path: Path) -> None:
    difference = only(compare([run(tmp_path / "a", top1=0.9), run(tmp_path / "b", top1=0.8)]), "top1")
    assert difference.change is not None
    assert difference.change.value == pytest.approx(-0.1)
    assert difference.verdict == "worse"


def test_other_images_are_refused(tmp_path: Path) -> None:
    other = RunBuilder(tmp_path / "b", accuracy_images=100)
    conversion, images = other.conversion(TWINS[0], "fp32"), other.images(purpose="accuracy")
    other.accuracy(TWINS[0], "fp32", images, top1=0.9, conversion=conversion)
    difference = only(compare([run(tmp_path / "a"), other.build()]), "top1")
    assert difference.change is None
    assert difference.reason == "other images: count differ"


def test_other_preprocessing_is_refused(tmp_path: Path) -> None:
    record = {**TWINS[0]["preprocessing"], "mean": [0.0] * 3, "channel_order": "bgr"}
    model = {**TWINS[0], "preprocessing": record}
    other = RunBuilder(tmp_path / "b")
    conversion, images = other.conversion(model, "fp32"), other.images(purpose="accuracy")
    other.accuracy(model, "fp32", images, top1=0.9, conversion=conversion)
    difference = only(compare([run(tmp_path / "a"), other.build()]), "top1")
    assert difference.reason == "other preprocessing: channel_order, mean differ"


def only_measured(folder: Path, shape: list[int], **latency: Any) -> Path:
    """A run of a file that gives no class scores, and of which no preprocessing is known."""
    model, built = {**TWINS[0], "preprocessing": {}}, RunBuilder(folder)
    conversion = built.conversion(model, "fp32")
    for number in range(4):
        inputs = {"inputs": [{"name": "x", "dtype": "float32", "shape": shape}]}
        built.latency(model, "fp32", conversion, round=number, samples=60, extra=inputs, **latency)
    return built.build()


def test_files_that_are_only_measured_are_compared_where_their_inputs_are_the_same(tmp_path: Path) -> None:
    first = only_measured(tmp_path / "a", [1, 8, 8, 3])
    assert only(compare([first, only_measured(tmp_path / "b", [1, 8, 8, 3])]), "p50").verdict == "no clear difference"
    larger = only(compare([first, only_measured(tmp_path / "c", [1, 16, 16, 3])]), "p50")
    assert larger.reason == "other input size: 1 × 8 × 8 × 3 and 1 × 16 × 16 × 3"
    failed = only(compare([first, only_measured(tmp_path / "d", [1, 8, 8, 3], outcome="it ended")]), "p50")
    assert failed.reason == "a round is failed: it ended"


@pytest.mark.parametrize(
    ("latency", "reason"),
    [
        ({"verdict": "invalid", "verdict_reason": "it throttled"}, "a round is invalid: it throttled"),
        ({"device": {**EMULATED, "name": "this-host"}}, "the time under an emulator is not a latency"),
        ({"outcome": "the board rebooted"}, "a round is failed: the board rebooted"),
    ],
)
def test_what_is_not_a_latency_is_refused(tmp_path: Path, latency: dict[str, Any], reason: str) -> None:
    difference = only(compare([run(tmp_path / "a"), run(tmp_path / "b", **latency)]), "p50")
    assert (difference.verdict, difference.reason) == ("not comparable", reason)


def test_two_boards_are_compared_when_each_run_has_one(tmp_path: Path) -> None:
    difference = only(compare([run(tmp_path / "a"), run(tmp_path / "b", device=BOARD, p50_ms=30.0)]), "p50")
    assert difference.verdict == "worse"


def test_a_run_of_the_previous_version_can_be_compared(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[2] / "recorded" / "schema1"
    folders = [Path(shutil.copytree(recorded, tmp_path / name)) for name in ("a", "b")]
    differences = runs.compare(folders).differences  # most of the recorded files were left out
    assert {d.measure for d in differences} >= {"p50", "load", "peak_rss", "flatbuffer_bytes", "top1"}
    assert {d.change.value for d in differences if d.change} == {0.0}
    explained = [(d.row.model, d.measure.partition("[")[2]) for d in differences if "[" in d.measure]
    assert explained == sorted(explained)


def test_runs_with_nothing_in_common_are_an_error(tmp_path: Path) -> None:
    other = RunBuilder(tmp_path / "b")
    other.latency(TWINS[1], "lce", other.conversion(TWINS[1], "lce"))
    with pytest.raises(ReportError, match="shares no model"):
        compare([run(tmp_path / "a"), other.build()])


def test_a_folder_without_a_store_is_an_error_and_stays_empty(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnreadableStore, match=r"found no store\.sqlite"):
        compare([run(tmp_path / "a"), empty])
    assert not list(empty.iterdir())


def test_explanation_quality_is_compared_on_the_same_images(tmp_path: Path) -> None:
    folders = []
    for name, mean in (("a", 0.6), ("b", 0.7)):
        built = RunBuilder(tmp_path / name)
        images = built.images()
        built.latency(TWINS[0], "fp32", built.conversion(TWINS[0], "fp32"))
        built.quality(built.saliency(TWINS[0], METHODS[0], images), images, "insertion_auc", mean=mean)
        folders.append(built.build())
    difference = next(d for d in compare(folders) if d.measure == "insertion_auc[gradient]")
    assert difference.change is not None
    assert difference.change.value == pytest.approx(0.1, abs=0.08)


# ---------------------------------------------------------------------------------------------------------- gates
def outcomes(folders: list[Path], text: str) -> list[str]:
    return [result.outcome for result in check_gates([parse_gate(text)], compare(folders))]


def test_a_gate_passes_fails_or_stays_undecided_by_the_whole_interval(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2, p50_ms=6.0)]
    assert outcomes(folders, "p50 > +5%") == ["fail"]
    assert outcomes(folders, "p50 > +50%") == ["pass"]
    change = only(compare(folders), "p50").change
    assert change is not None
    assert outcomes(folders, f"p50 > {100 * change.value - 0.1:.3f}%") == ["undecided"]


def test_a_gate_that_cannot_be_judged_does_not_pass(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", rounds=1), run(tmp_path / "b", rounds=1)]
    [result] = check_gates([parse_gate("p50 > +5%")], compare(folders))
    assert result.outcome == "cannot judge"
    assert result.breaks
    [missing] = check_gates([parse_gate("insertion_auc < -0.1")], compare(folders))
    assert missing.breaks
    assert "no deployment has this measure" in describe(missing)


def test_accuracy_gates_are_in_percentage_points(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", top1=0.9), run(tmp_path / "b", top1=0.8)]
    assert outcomes(folders, "top1 < -2%") == ["fail"]
    assert outcomes(folders, "top1 < -20%") == ["pass"]


@pytest.mark.parametrize(
    "text", ["p50", "p50 >= 5%", "p50 > fast", "", "p50 > 5", "sparseness < -5%", "p50 > 5% or so"]
)
def test_a_gate_of_another_form_is_an_error_that_shows_the_form(text: str) -> None:
    with pytest.raises(ReportError) as caught:
        parse_gate(text)
    assert "--fail-if" in caught.value.problem
    assert caught.value.hint


def test_changed_rows_come_first_in_an_order_that_two_calls_share(tmp_path: Path) -> None:
    folders = [run(tmp_path / "a", seed=1), run(tmp_path / "b", seed=2, p50_ms=7.0)]
    listed = in_order(compare(folders))
    verdicts = [d.verdict for d in listed]
    assert verdicts[0] == "worse"
    assert verdicts == sorted(verdicts, key=VERDICTS.index)
    assert [record(d) for d in in_order(compare(folders))] == [record(d) for d in listed]
    lines = differences_markdown(listed).splitlines()
    assert "worse" in lines[2]
    assert len({line.count(" | ") for line in lines[2:]}) == 1
