"""Results are printed one way, and kept beside what other scripts saved on the same day."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.ratios import LEAST_FOR_AN_INTERVAL, Limits, Ratio, counted
from benchmarks.results import (
    Table,
    as_json,
    as_text,
    command_of,
    limits_of,
    parser_of,
    part_of,
    ratio_table,
    rounded,
    save,
)

CONDITIONS: dict[str, Any] = {
    "busy": "",
    "nice": 0,
    "load_average_before": 0.1,
    "seconds": 12,
    "machine": {"cpu": "Cortex-A72", "architecture": "aarch64", "cores": 4, "virtual_machine": None},
}
RATIOS = {
    "fast": Ratio(what="fast over slow", value=12.3456, low=12.1, high=12.6, rounds=9, width=0.05, floor=5.0),
    "wide": Ratio(what="another", value=2.0, low=1.0, high=3.0, rounds=20, width=0.05),
    "instructions": counted("instructions", 1.0),
}


def options(*words: str) -> argparse.Namespace:
    parser = parser_of("What a script\nmeasures.\n\nMore of it.", Limits(width=0.05, most_rounds=50, most_seconds=60.0))
    parser.add_argument("--networks", nargs="+", default=["a", "b"])
    parser.add_argument("--models", type=Path, default=Path("models"))
    return parser.parse_args(words)


def part(**changes: Any) -> dict[str, Any]:
    table = Table("Milliseconds", ["who", "ms"], [["ours", "1.5"]])
    conditions = {**CONDITIONS, **changes}
    return part_of(options(), ratios=RATIOS, figures={"ours, ms": 1.5}, tables=[table], conditions=conditions)


def test_limits_are_the_script_s_where_nothing_else_is_asked_for() -> None:
    assert limits_of(options()) == Limits(width=0.05, most_rounds=50, most_seconds=60.0)
    asked = limits_of(options("--width", "0.02", "--rounds", "5", "--seconds", "7"))
    assert asked == Limits(width=0.02, least_rounds=5, most_rounds=5, most_seconds=7.0)
    assert limits_of(options("--quick")).most_rounds == LEAST_FOR_AN_INTERVAL


@pytest.mark.parametrize(
    "words", [("--width", "0"), ("--rounds", "-1"), ("--rounds", "x"), ("--seconds", "nan"), ("--seconds", "x")]
)
def test_a_limit_that_is_none_is_refused_before_anything_is_measured(words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options(*words)
    assert ended.value.code == 2


def test_results_cannot_be_saved_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        options("--save", str(tmp_path / "file"))
    assert "expected a folder, got the file" in capsys.readouterr().err


def test_command_says_how_to_measure_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/speed.py"])
    words = ("--json", "--quick", "--networks", "a", "--models", "/somewhere/else", "--save", "/a/folder")
    assert command_of(options(*words)) == "python benchmarks/speed.py --quick --networks a"
    assert command_of(options()) == "python benchmarks/speed.py"


def test_json_has_ratios_as_numbers_and_their_intervals_among_the_figures() -> None:
    told = as_json(part())
    assert told.keys() == {"ratios", "figures"}
    assert told["ratios"] == {"fast": 12.35, "wide": 2.0, "instructions": 1.0}
    assert told["figures"]["ours, ms"] == 1.5
    assert (told["figures"]["intervals"]["wide"]["low"], told["figures"]["intervals"]["wide"]["rounds"]) == (1.0, 20)
    assert told["figures"]["conditions"] == CONDITIONS


def test_text_shows_intervals_doubts_floors_and_conditions() -> None:
    told = as_text(part(busy="other processes kept 1.00 of 4 CPUs busy", nice=19))
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert "fast over slow 12.3 12.1 to 12.6 within 5.0% 5.00" in lines
    assert "another 2.00 1.00 to 3.00 100.0% wide after 20 rounds, 5.0% wanted" in lines
    assert "instructions 1.00 counted" in lines
    assert told.endswith(
        "Cortex-A72, 4 cores; BUSY: other processes kept 1.00 of 4 CPUs busy; at nice 19; load 0.1 before; 12 s"
    )


def test_floor_is_missed_where_the_whole_interval_is_below_it() -> None:
    floors = {
        floor: Ratio(what="w", value=2.0, low=1.8, high=2.2, rounds=9, width=0.5, floor=floor)
        for floor in (1.7, 2.1, 2.3)
    }
    stored = {str(floor): rounded(ratio) for floor, ratio in floors.items()}
    stored["unknown"] = rounded(Ratio(what="w", value=2.0, rounds=1, width=0.05, floor=3.0))
    stored["counted"] = rounded(Ratio(what="w", value=2.0, floor=3.0))
    cells = [row[-1] for row in ratio_table(stored).rows]
    assert cells == ["1.70", "2.10", "2.30, MISSED", "3.00", "3.00, MISSED"]


def test_a_day_s_file_holds_the_newest_of_each_script(tmp_path: Path) -> None:
    first = save(part(), "lce_ops", tmp_path)
    save(part(), "saliency", tmp_path)
    assert save({**part(), "title": "again"}, "lce_ops", tmp_path) == first
    stored = json.loads(first.read_text())
    assert first.name == f"{stored['date']}-cortex-a72-4-cores.json"
    assert {name: of["title"] for name, of in stored["scripts"].items()} == {
        "lce_ops": "again",
        "saliency": "What a script measures",
    }
    assert list(tmp_path.iterdir()) == [first]


def test_what_is_published_is_printed_and_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quiet(results.Watch):
        def __init__(self) -> None: ...
        def conditions(self) -> dict[str, Any]:
            return CONDITIONS

    monkeypatch.setattr("sys.argv", ["benchmarks/speed.py"])
    results.publish(options("--json", "--save", str(tmp_path)), Quiet(), ratios=RATIOS, figures={})
    told = json.loads(capsys.readouterr().out)
    (stored,) = tmp_path.glob("*.json")
    assert json.loads(stored.read_text())["scripts"]["speed"]["ratios"] == told["figures"]["intervals"]
