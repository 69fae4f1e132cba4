"""The words of the recommendation, on rows made by hand."""

from __future__ import annotations

import math
from typing import Any

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
        "mode": "burst",
        "p50_ms": ms,
        "p50_low_ms": 0.99 * ms,
        "p50_high_ms": 1.01 * ms,
        "p50_text": f"{ms} ms",
        "top1": top1,
        "top1_low": top1 - half,
        "top1_high": top1 + half,
        "top1_text": f"{100 * top1:.1f} %",
        "accuracy_images": 500,
        "scores": scores,
        "flatbuffer_bytes": 1000,
        "status": "done",
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
    assert advice.summary == "No clear difference between the 2 deployments in latency or accuracy."
    assert {choice.praises for choice in advice.choices} == {()}


def test_a_small_difference_of_latency_is_none_even_when_the_intervals_are_apart() -> None:
    narrow = {"p50_low_ms": 1.999, "p50_high_ms": 2.001}
    rows = [row("a", ms=2.0, top1=0.9) | narrow, row("b", ms=2.06, top1=0.9, p50_low_ms=2.059, p50_high_ms=2.061)]
    assert recommendations(rows, None)[0].left_out == 0
    assert len(recommendations(rows, None)[0].choices) == 2


def test_a_model_that_beats_one_that_beats_the_most_accurate_leaves_the_most_accurate_in() -> None:
    """`middle` ties with both in accuracy, though `fast` is clearly less accurate than `exact`."""
    rows = [
        row("exact", ms=4, top1=0.988, half=0.01),
        row("middle", ms=3, top1=0.975, half=0.014),
        row("fast", ms=2, top1=0.960, half=0.015),
    ]
    [advice] = recommendations(rows, None)
    assert [choice.model for choice in advice.choices] == ["fast", "middle", "exact"]
    praise = {choice.model: choice.praises for choice in advice.choices}
    assert praise["fast"] == ("fastest",)
    assert "among the most accurate" in praise["exact"]


def test_an_alternative_says_how_much_better_and_worse_it_is_than_the_fastest() -> None:
    exact = row("exact", ms=4, top1=0.95, flatbuffer_bytes=12_000, p50_low_ms=3.9, p50_high_ms=4.1)
    fast = row("fast", ms=2, top1=0.90, p50_low_ms=1.9, p50_high_ms=2.1)
    [advice] = recommendations([exact, fast], None)
    # log-scale: 2 * exp(+-hypot(log(4.1 / 4), log(2 / 1.9))) and the like; points: 5 +- hypot(1, 1)
    low, high = (
        2 * math.exp(-math.hypot(math.log(4 / 3.9), math.log(2.1 / 2))),
        2 * math.exp(math.hypot(math.log(4.1 / 4), math.log(2 / 1.9))),
    )
    assert advice.choices[1].against_first == (
        f"2.00 times the latency ({low:.2f} to {high:.2f})",
        "+5.0 points of top-1 (+3.6 to +6.4)",
        "12 times the size",
    )
    assert advice.choices[0].against_first == ()


def test_explanation_quality_saves_a_slower_model() -> None:
    rows = [row("fast", ms=2, top1=0.9, quality=0.4), row("clear", ms=4, top1=0.9, quality=0.7)]
    assert [c.model for c in recommendations(rows, EXPLANATION)[0].choices] == ["fast", "clear"]
    lower = {**EXPLANATION, "better": "lower"}
    assert [c.model for c in recommendations(rows, lower)[0].choices] == ["fast"]


def test_devices_do_not_compete_with_each_other() -> None:
    advice = recommendations([row("a", ms=2, top1=0.9), row("a", ms=50, top1=0.9, device="zero2")], None)
    assert [(v.device, len(v.choices)) for v in advice] == [("pi4", 1), ("zero2", 1)]


def test_a_suspect_choice_carries_its_caution() -> None:
    warm = row("a", ms=2, top1=0.9, verdict="suspect", verdict_reason="it was warm")
    [advice] = recommendations([warm, row("b", ms=4, top1=0.9), row("c", ms=5, top1=0.9)], None)
    assert advice.choices[0].caution == "it was warm"
    said = "Provisionally, deploy a lce: none of the other 2 deployments did better in latency or accuracy."
    assert advice.summary == said


def test_latencies_alone_are_compared_all_the_same() -> None:
    rows = [row("slow", ms=4, top1=0.5, top1_text="") | {"top1": None}, row("fast", ms=2, top1=0.5) | {"top1": None}]
    [advice] = recommendations(rows, None)
    assert advice.summary == "Deploy fast lce: the other deployment did not do better in latency."
    assert advice.remarks == ("No accuracy: nothing here says which model is right more often.",)


def test_one_invalid_latency_is_counted_as_one() -> None:
    hot = row("hot", ms=1, top1=0.99) | {"p50_ms": None, "verdict": "invalid", "verdict_reason": "it was hot"}
    [advice] = recommendations([hot, row("a", ms=2, top1=0.9), row("b", ms=4, top1=0.95)], None)
    assert advice.remarks == ("1 of 3 latencies (hot lce) is invalid: it was hot.",)
    assert advice.choices[-1].model == "hot"  # clearly the most accurate: its latency has to be measured again
    assert advice.choices[-1].latency == ""
    assert advice.choices[-1].caution == "it was hot"


def test_the_card_names_the_latencies_that_are_suspect_or_those_that_are_not() -> None:
    def remark(suspect: str, of: str = "abcdefgh") -> str:
        rows = [row(name, ms=2, top1=0.9, verdict="suspect" if name in suspect else "valid") for name in of]
        [advice] = recommendations([each | {"verdict_reason": "hot"} for each in rows], None)
        return advice.remarks[0]

    assert remark("a") == "1 of 8 latencies (a lce) is suspect: hot."
    assert remark("abc") == "3 of 8 latencies (a lce; b lce; c lce) are suspect: hot."
    assert remark("abcd") == "4 of 8 latencies (marked in the table) are suspect: hot."
    assert remark("abcdef") == "6 of 8 latencies (all but g lce; h lce) are suspect: hot."
    assert remark("abcdefgh") == "All 8 latencies are suspect: hot."
    assert remark("a", of="a") == "The latency is suspect: hot."


def test_latencies_of_one_artifact_are_named_by_their_threads() -> None:
    rows = [row("a", ms=2, top1=0.9, num_threads=n, verdict="suspect" if n > 1 else "valid") for n in (1, 2)]
    [advice] = recommendations([each | {"verdict_reason": "hot"} for each in rows], None)
    assert advice.remarks == ("1 of 2 latencies (a lce, 2 threads) is suspect: hot.",)


def test_an_emulated_device_is_compared_by_what_it_has() -> None:
    rows = [row(name, ms=1, top1=top1) | {"emulated": True, "p50_ms": None} for name, top1 in (("a", 0.9), ("b", 0.8))]
    [advice] = recommendations(rows, None)
    assert advice.summary == "Deploy a lce: the other deployment did not do better in accuracy."
    assert advice.remarks == ("No latency: the device is emulated, and emulated time is not a latency.",)


def test_a_device_on_which_nothing_ran_has_nothing_to_choose_from() -> None:
    nothing = {"p50_ms": None, "top1": None, "verdict": "", "status": "failed"}
    [advice] = recommendations([row("a", ms=1, top1=1) | nothing], None)
    assert advice.choices == ()
    assert advice.summary == "Nothing to choose from: no deployment was measured."
    assert advice.remarks[-1] == "1 of 1 deployments is not fully measured; the table says why."


def test_what_only_one_deployment_has_is_no_difference_between_them() -> None:
    hot = row("hot", ms=1, top1=0.905) | {"p50_ms": None, "verdict": "invalid", "verdict_reason": "it was hot"}
    [advice] = recommendations([row("a", ms=2, top1=0.900), hot], None)
    assert advice.summary == "No clear difference between the 2 deployments in accuracy."
