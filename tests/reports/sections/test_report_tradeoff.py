"""The marks of the trade-off: which deployments they are, what they are called, and which are worth considering."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store import Store
from reports.sections.recommendation import recommend, recommended
from reports.sections.run_reader import read_run
from reports.sections.tradeoff import charts, facts, marks
from tests.reports.synthetic_runs import TWINS, RunBuilder


def test_every_deployment_with_accuracy_and_time_is_a_mark(twins_store: Store) -> None:
    run = read_run(twins_store)
    shown = marks(run)
    expected = [at for at, row in enumerate(run.rows) if row["p50_ms"] is not None and row["top1"] is not None]
    assert [mark["at"] for mark in shown] == expected
    assert len({(mark["device"], mark["name"]) for mark in shown}) == len(shown)


def test_threads_are_named_only_where_they_differ(twins_store: Store, tmp_path: Path) -> None:
    assert {mark["name"] for mark in marks(read_run(twins_store)) if mark["model"] == "planted-float"} == {
        "planted-float fp32, 1 thread", "planted-float fp32, 2 threads",
        "planted-float int8, 1 thread", "planted-float int8, 2 threads",
    }  # fmt: skip
    run = RunBuilder(tmp_path)
    conversion, images = run.conversion(TWINS[0], "fp32"), run.images(purpose="accuracy")
    run.accuracy(TWINS[0], "fp32", images, top1=0.9, conversion=conversion)
    run.latency(TWINS[0], "fp32", conversion)
    with Store(run.build()) as store:
        assert [mark["name"] for mark in marks(read_run(store))] == ["planted-float fp32"]


def test_what_is_worth_a_look_is_what_the_recommendation_names(twins_store: Store) -> None:
    run = read_run(twins_store)
    shown = marks(run)
    assert {mark["at"] for mark in shown if mark["worth_a_look"]} <= set(recommended(run))
    for advice in recommend(run):
        drawn = [mark for mark in shown if mark["device"] == advice.device and mark["worth_a_look"]]
        if drawn:
            assert len(drawn) == len(advice.choices) + advice.left_out
            assert {mark["model"] for mark in drawn} == {choice.model for choice in advice.choices}


@pytest.mark.parametrize("invalid", [True, False])
def test_an_invalid_time_is_a_mark_that_says_so(tmp_path: Path, invalid: bool) -> None:
    run = RunBuilder(tmp_path)
    conversion, images = run.conversion(TWINS[0], "fp32"), run.images(purpose="accuracy")
    run.accuracy(TWINS[0], "fp32", images, top1=0.9, conversion=conversion)
    run.latency(TWINS[0], "fp32", conversion, verdict="invalid" if invalid else "valid", verdict_reason="throttled")
    with Store(run.build()) as store:
        [mark] = marks(read_run(store))
    assert mark["is_invalid"] is invalid
    assert ("do not use" in mark["x_text"]) is invalid


def test_a_device_without_accuracy_has_no_picture_and_a_reason(tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    run.latency(TWINS[0], "fp32", run.conversion(TWINS[0], "fp32"))
    with Store(run.build()) as store:
        read = read_run(store)
        [panel] = facts(read, charts(read))["panels"]
    assert (panel["marks"], panel["timed"], panel["picture"], panel["layouts"]) == (0, True, "", {})


def test_a_page_without_javascript_has_the_picture_with_every_name(twins_store: Store) -> None:
    run = read_run(twins_store)
    panel = next(panel for panel in facts(run, charts(run))["panels"] if panel["name"] == "pi4")
    for mark in marks(run):
        if mark["device"] == "pi4":
            assert f">{mark['name']}</text>" in panel["picture"]
    assert {name["shown_name"] for name in panel["layouts"]["narrow"]["names"]} == {
        name["shown_name"] for name in panel["layouts"]["wide"]["names"]
    }
