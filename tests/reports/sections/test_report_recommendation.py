"""The rule of the recommendation on rows made by hand, and the words that follow from it."""

from __future__ import annotations

from typing import Any

import pytest

from reports.sections.recommendation import recommendations


def row(model: str, *, ms: float, top1: float, half: float = 0.01, quality: float | None = None, **more: Any) -> Any:
    scores = {} if quality is None else {"auc|gradient": [quality, quality - 0.02, quality + 0.02, 50, 0]}
    return {
        "model": model,
        "family": "binarized",
        "format": "lce",
        "device": "pi4",
        "runtime": "lce",
        "num_threads": 1,
        "p50_ms": ms,
        "p50_low_ms": 0.99 * ms,
        "p50_high_ms": 1.01 * ms,
        "p50_text": f"{ms} ms",
        "top1": top1,
        "top1_low": top1 - half,
        "top1_high": top1 + half,
        "top1_text": f"{100 * top1:.1f} %",
        "scores": scores,
        "emulated": False,
        "verdict": "valid",
        "verdict_reason": "",
        **more,
    }


EXPLANATION = {"key": "auc|gradient", "better": "higher", "text": "auc of gradient"}


def test_what_is_clearly_worse_in_one_and_better_in_none_is_left_out() -> None:
    [advice] = recommendations([row("fast", ms=2, top1=0.9), row("slow", ms=4, top1=0.9)], None)
    assert [choice.model for choice in advice.choices] == ["fast"]


def test_a_compromise_keeps_both_with_what_each_is_best_in() -> None:
    [advice] = recommendations([row("exact", ms=4, top1=0.95), row("fast", ms=2, top1=0.9)], None)
    assert [(choice.model, choice.praises) for choice in advice.choices] == [
        ("fast", ("fastest",)),
        ("exact", ("most accurate",)),
    ]


def test_overlapping_intervals_are_no_clear_difference() -> None:
    [advice] = recommendations([row("a", ms=2.00, top1=0.900), row("b", ms=2.03, top1=0.905)], None)
    assert advice.summary == "No clear difference between the 2 deployments."
    assert {choice.praises for choice in advice.choices} == {()}


def test_a_small_difference_of_latency_is_none_even_when_the_intervals_are_apart() -> None:
    narrow = {"p50_low_ms": 1.999, "p50_high_ms": 2.001}
    rows = [row("a", ms=2.0, top1=0.9) | narrow, row("b", ms=2.06, top1=0.9, p50_low_ms=2.059, p50_high_ms=2.061)]
    assert recommendations(rows, None)[0].left_out == 0
    assert len(recommendations(rows, None)[0].choices) == 2


def test_explanation_quality_saves_a_slower_model() -> None:
    rows = [row("fast", ms=2, top1=0.9, quality=0.4), row("clear", ms=4, top1=0.9, quality=0.7)]
    assert [c.model for c in recommendations(rows, EXPLANATION)[0].choices] == ["fast", "clear"]
    lower = {**EXPLANATION, "better": "lower"}
    assert [c.model for c in recommendations(rows, lower)[0].choices] == ["fast"]


def test_devices_do_not_compete_with_each_other() -> None:
    advice = recommendations([row("a", ms=2, top1=0.9), row("a", ms=50, top1=0.9, device="zero2")], None)
    assert [(v.device, len(v.choices)) for v in advice] == [("pi4", 1), ("zero2", 1)]


def test_a_suspect_choice_carries_its_caution() -> None:
    [advice] = recommendations([row("a", ms=2, top1=0.9, verdict="suspect", verdict_reason="it was warm")], None)
    assert advice.choices[0].caution == "it was warm"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"emulated": True, "p50_ms": None}, "the device is emulated"),
        (
            {"verdict": "invalid", "verdict_reason": "it was hot", "p50_ms": None},
            "every latency on it is invalid; a, for one: it was hot",
        ),
        ({"top1": None}, "no deployment on it has both"),
    ],
)
def test_without_a_number_to_compare_there_is_a_reason_and_no_recommendation(more: dict[str, Any], why: str) -> None:
    [advice] = recommendations([{**row("a", ms=2, top1=0.9), **more}], None)
    assert advice.choices == ()
    assert why in advice.summary
