"""Lines where nobody watches a terminal, bars where somebody does."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable

import pytest

from harness.execution.progress import Tally, count_progress, run_progress

ACCURACY = {"accuracy": Tally(doing="measuring accuracy", total=6, done=0, failed=0)}
UNIT = "planted-float fp32 on this-host"


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = 100.0

    def pass_seconds(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("time.monotonic", lambda: now)
    return pass_seconds


def test_line_says_what_is_done_and_what_is_left(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_progress(ACCURACY) as progress:
        progress.working_on("accuracy", UNIT, 0.0)
        pass_seconds(1.4)
        progress.finished_one("accuracy", UNIT, seconds=1.4, failed=False)
    assert capsys.readouterr().err == f"measuring accuracy 1/6: {UNIT} (1.4 s; 43/min, 7 s left)\n"


def test_of_short_units_one_a_second_and_the_last_are_worth_a_line(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_progress(ACCURACY) as progress:
        for number in range(6):
            pass_seconds(0.4)
            progress.finished_one("accuracy", f"unit {number}", seconds=0.4, failed=number == 4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"measuring accuracy {n}/6" for n in (1, 4, 6)]
    assert lines[-1] == "measuring accuracy 6/6: unit 5 (0.4 s; 1 failed)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_counts_what_is_done_and_failed_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "160")
    with run_progress({"latency": Tally(doing="measuring latency", total=6, done=2, failed=1)}) as progress:
        progress.working_on("latency", "one on pi", 0.5)
        progress.finished_one("latency", "one on pi", seconds=1.0, failed=True)
        progress.working_on("latency", "two on pi", 0.9)
        progress.working_on("latency", "three on zero", 0.1)
    [last] = re.findall(r"measuring latency .*", sys.stderr.getvalue())[-1:]  # type: ignore[attr-defined]
    assert "3/6" in last
    assert "2 failed" in last
    assert "three on zero" in last


def test_a_single_thing_that_takes_long_is_worth_a_line_every_five_seconds(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with count_progress() as report:
        for done in (32, 64, 96, 128, 160):
            report("rise of photo.jpg", done, 160)
            pass_seconds(3.0)
    assert capsys.readouterr().err == "rise of photo.jpg: 96 of 160, 6 s left\n"


def test_a_single_thing_has_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    with count_progress() as report:
        report("rise of photo.jpg", 32, 160)
        report("occlusion of photo.jpg", 8, 36)
    shown = terminal.getvalue()
    assert "rise of photo.jpg" in shown
    assert "8/36" in shown
