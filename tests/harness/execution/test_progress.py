"""Lines where nobody watches a terminal, bars where somebody does."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable

import pytest

from harness import saying
from harness.execution.outlook import Outlook
from harness.execution.progress import Tally, count_progress, run_progress
from harness.store import Unit

ACCURACY = {"accuracy": Tally(doing="measuring accuracy", total=6, done=0, failed=0)}
NAME = "planted-float fp32 on this-host"


def unit(number: int = 0, *, kind: str = "accuracy", device: str = "this-host") -> Unit:
    spec = {"model": {"name": "planted-float"}, "format": "fp32", "device": {"name": device, "kind": "local"}}
    return Unit(kind=kind, spec={**spec, "number": number})


def outlook(count: int = 6, *, kind: str = "accuracy") -> Outlook:
    return Outlook((unit(number, kind=kind), None) for number in range(count))


@pytest.fixture
def pass_seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = 100.0

    def pass_seconds(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("time.monotonic", lambda: now)
    return pass_seconds


def test_line_says_what_is_done_and_what_is_left_of_all(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    conversion = {"conversion": Tally(doing="converting", total=4, done=4, failed=1)}
    with run_progress({**conversion, **ACCURACY}, outlook()) as progress:
        progress.began(unit())
        progress.working_on(unit(), NAME, 0.0)
        pass_seconds(1.4)
        progress.finished_one(unit(), seconds=1.4, failed=False)
    assert capsys.readouterr().err == (
        f"measuring accuracy 1/6: {NAME} (1.4 s; in all 5 of 10, about 7 s left, 1 failed)\n"
    )


def test_of_short_units_one_a_second_and_the_last_are_worth_a_line(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with run_progress(ACCURACY, outlook()) as progress:
        for number in range(6):
            progress.began(unit(number))
            pass_seconds(0.4)
            progress.finished_one(unit(number), seconds=0.4, failed=number == 4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"measuring accuracy {n}/6" for n in (1, 4, 6)]
    assert lines[-1] == f"measuring accuracy 6/6: {NAME} (0.4 s; in all 6 of 6, 1 failed)"


@pytest.mark.parametrize(("asked", "count"), [({"quiet": True}, 0), ({}, 3), ({"verbose": True}, 12)])
def test_quiet_says_nothing_and_verbose_each_beginning_and_end(
    asked: dict[str, bool],
    count: int,
    pass_seconds: Callable[[float], None],
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    request.addfinalizer(saying.show)
    saying.show(**asked)
    with run_progress(ACCURACY, outlook()) as progress:
        for number in range(6):
            progress.began(unit(number))
            pass_seconds(0.4)
            progress.finished_one(unit(number), seconds=0.4, failed=False)
    assert len(capsys.readouterr().err.splitlines()) == count


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown_on(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal, in the place of the error stream."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_bar_counts_what_is_done_and_failed_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown_on(monkeypatch)
    stages = {"latency": Tally(doing="measuring latency", total=6, done=2, failed=1)}
    with run_progress(stages, outlook(4, kind="latency")) as progress:
        progress.working_on(unit(kind="latency"), "one on pi", 0.5)
        progress.finished_one(unit(kind="latency"), seconds=1.0, failed=True)
        progress.working_on(unit(1, kind="latency"), "two on pi", 0.9)
        progress.working_on(unit(2, kind="latency"), "three on zero", 0.1)
    [last] = re.findall(r"measuring latency .*", terminal.getvalue())[-1:]
    assert "3/6" in last
    assert "2 failed" in last
    assert "three on zero" in last


def test_a_bar_of_the_whole_run_says_what_is_left_of_all_stages(
    monkeypatch: pytest.MonkeyPatch, pass_seconds: Callable[[float], None]
) -> None:
    terminal = shown_on(monkeypatch)
    stages = {**ACCURACY, "latency": Tally(doing="measuring latency", total=6, done=2, failed=0)}
    with run_progress(stages, outlook()) as progress:
        assert "time left unknown" in terminal.getvalue()
        progress.began(unit())
        pass_seconds(60.0)
        progress.finished_one(unit(), seconds=60.0, failed=False)
    [last] = re.findall(r"the whole run .*", terminal.getvalue())[-1:]
    assert "3/12" in last
    assert "about 5 min left" in last


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_plain_lines(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    terminal = shown_on(monkeypatch)
    monkeypatch.setenv(name, value)
    with run_progress(ACCURACY, outlook()) as progress, count_progress() as report:
        progress.finished_one(unit(), seconds=1.0, failed=False)
        report("rise of photo.jpg", 32, 160)
    assert terminal.getvalue().startswith("measuring accuracy 1/6")
    assert "\x1b" not in terminal.getvalue()


def test_a_single_thing_that_takes_long_is_worth_a_line_every_five_seconds(
    pass_seconds: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with count_progress() as report:
        for done in (32, 64, 96, 128, 160):
            report("rise of photo.jpg", done, 160)
            pass_seconds(3.0)
    assert capsys.readouterr().err == "rise of photo.jpg: 96 of 160, 6 s left\n"


def test_a_single_thing_has_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = shown_on(monkeypatch)
    with count_progress() as report:
        report("rise of photo.jpg", 32, 160)
        report("occlusion of photo.jpg", 8, 36)
    assert "rise of photo.jpg" in terminal.getvalue()
    assert "8/36" in terminal.getvalue()
