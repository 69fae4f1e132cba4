"""What a run ends with."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from reports.sections.recommendation import most_telling
from reports.sections.verdict_text import verdict_text
from reports.write import write_report
from tests.reports.example_runs import twins_run


def test_a_run_ends_with_what_to_deploy_on_each_device_and_what_limits_that(tmp_path: Path) -> None:
    paragraphs = write_report(twins_run(tmp_path / "run")).verdict().split("\n\n")
    host, board, emulated, end = paragraphs
    assert host.splitlines()[0].startswith("this-host: 3 of 8 deployments are worth considering;")
    assert host.splitlines()[0].endswith("planted-binary lce is fastest.")
    assert " ".join(host.splitlines()[1].split()) == "model deployment median latency top-1 of 200 images explanation"
    assert len(host.splitlines()) == 6  # with a remark about what was not measured
    assert (
        "latencies (planted-float fp32, 2 threads; planted-binary fp32, 2 threads) are suspect: temperature rose"
        in board
    )
    assert " ".join(emulated.splitlines()[1].split()) == "model deployment top-1 of 200 images explanation"
    assert end == ""


def test_a_run_without_devices_ends_with_no_verdict() -> None:
    assert verdict_text([]) == ""


@given(st.lists(st.booleans(), max_size=20), st.integers(1, 6))
def test_who_is_best_in_something_is_shown_and_so_is_the_first(best: list[bool], most: int) -> None:
    shown = most_telling(list(range(len(best))), best.__getitem__, most)
    assert shown == sorted(set(shown))
    assert len(shown) == min(most, len(best))
    assert not best or shown[0] == 0
    others = [at for at in range(1, len(best)) if best[at]]
    assert set(others[: most - 1]) <= set(shown)
