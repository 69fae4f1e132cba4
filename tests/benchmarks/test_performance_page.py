"""docs/performance.md is what the newest results say, and no other page claims a speed of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import all as everything
from benchmarks.performance_page import INLINE, PAGE, filled, newest, page, pages
from benchmarks.ratios import Ratio, counted
from benchmarks.results import rounded

ROOT = Path(__file__).parents[2]
# Decisions say what was measured when they were taken, and the changelog what a version brought.
OTHERS = [path for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]) if path.name != "CHANGELOG.md"]
CLAIM = re.compile(
    r"\d\S*\s+times\**\s+(?:as\s+(?:fast|quick|much|many)|faster|quicker|slower)|\d\s*(?:x|×)\s+(?:faster|as fast)"
    r"|\d\s+(?:maps|rows|images|inferences)\s+(?:a|per)\s+second|\d\s+GFLOP|\|\s*times faster",
    re.IGNORECASE,
)
NO_CLAIM = {"reading-a-report.md"}  # 1.5 times slower than published: a rule's threshold


def part(ratio: Ratio, *, cores: int = 2, busy: str = "") -> dict[str, Any]:
    machine = {"cpu": "AMD EPYC", "architecture": "x86_64", "cores": cores, "virtual_machine": None, "python": "3.11.7"}
    seen = {"busy": busy, "nice": 0, "load_average_before": 0.0, "seconds": 120, "versions": {"numpy": "1.26.4"}}
    return {
        "title": "How fast it is",
        "command": "python benchmarks/speed.py",
        "conditions": {**seen, "machine": machine},
        "ratios": {"fast": rounded(ratio)},
        "figures": {},
        "tables": [{"title": "Milliseconds", "head": ["who", "ms"], "rows": [["ours", "1.5"]]}],
    }


def stored(folder: Path, date: str, name: str, scripts: dict[str, Any]) -> None:
    content = {"schema": 1, "date": date, "machine": name, "scripts": scripts}
    (folder / f"{date}-{name}.json").write_text(json.dumps(content))


def narrow(value: float) -> Ratio:
    return Ratio(what="ours over theirs", value=value, low=value - 0.1, high=value + 0.1, rounds=9, width=0.05)


def test_performance_and_all_numbers_taken_from_it_are_what_the_results_say() -> None:
    """`python benchmarks/performance_page.py` writes them."""
    wanted = pages()
    assert {path.name: path.read_text() for path in wanted} == {path.name: text for path, text in wanted.items()}


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_no_page_claims_a_speed_that_is_not_taken_from_the_results(path: Path) -> None:
    """Let a script publish it, and put <!-- script.ratio --><!-- end --> where the number stands."""
    text = path.read_text()
    if path != PAGE and path.name not in NO_CLAIM:
        by_hand = "\n".join(line for line in INLINE.sub("", text).splitlines() if not line.startswith("    "))
        assert CLAIM.findall(by_hand) == []


@pytest.mark.parametrize(
    "claim",
    ["QuickNet 6.5 times faster", "**2.03 times** as fast".replace("*", ""), "4 times as many", "| times faster |"],
)
def test_a_claim_is_known_when_it_is_seen(claim: str) -> None:
    assert CLAIM.search(claim)


def test_readme_takes_its_speeds_from_the_results() -> None:
    taken = {name for _, script, name, _ in INLINE.findall((ROOT / "README.md").read_text()) if script == "lce_ops"}
    assert taken == {"quicknet_vs_lce_best", "quicknet_vs_lce_default", "machine"}


def test_newest_of_each_script_and_machine_counts(tmp_path: Path) -> None:
    stored(tmp_path, "2026-01-01", "amd-epyc-2-cores", {"speed": part(narrow(2.0)), "other": part(narrow(3.0))})
    stored(tmp_path, "2026-01-02", "amd-epyc-2-cores", {"speed": part(narrow(4.0))})
    stored(tmp_path, "2026-01-01", "amd-epyc-16-cores", {"speed": part(narrow(5.0), cores=16)})
    values = {(one.script, one.machine, one.date): one.part["ratios"]["fast"]["value"] for one in newest(tmp_path)}
    assert values == {
        ("other", "AMD EPYC, 2 cores", "2026-01-01"): 3.0,
        ("speed", "AMD EPYC, 16 cores", "2026-01-01"): 5.0,
        ("speed", "AMD EPYC, 2 cores", "2026-01-02"): 4.0,
    }


def test_page_shows_intervals_doubts_load_tables_and_versions(tmp_path: Path) -> None:
    wide = Ratio(what="ours over theirs", value=2.0, low=1.0, high=3.0, rounds=40, width=0.05)
    stored(tmp_path, "2026-01-01", "amd", {"speed": part(wide, busy="other processes kept 1.00 of 2 CPUs busy")})
    told = page(newest(tmp_path))
    assert "What is below took 2\n  minutes" in told
    assert "## speed\n\nHow fast it is: `python benchmarks/speed.py`\n" in told
    assert (
        "*2026-01-01; AMD EPYC, 2 cores; BUSY: other processes kept 1.00 of 2 CPUs busy; load 0.0 before; 120 s.*"
        in told
    )
    assert "| ours over theirs | 2.00 | 1.00 to 3.00 | 100.0% wide after 40 rounds, 5.0% wanted |" in told
    assert "Milliseconds:\n\n| who | ms |\n| --- | --: |\n| ours | 1.5 |\n" in told
    assert "With Python 3.11.7, numpy 1.26.4." in told


def test_number_in_a_page_comes_with_its_interval_and_its_machine(tmp_path: Path) -> None:
    stored(tmp_path, "2026-01-01", "amd", {"speed": part(narrow(4.0)), "exact": part(counted("instructions", 3.0))})
    stored(tmp_path, "2026-01-02", "big", {"speed": part(narrow(6.0), cores=16, busy="other processes")})
    text = (
        "It is <!-- speed.fast -->9<!-- end -->, <!-- exact.fast --><!-- end --> (<!-- speed.machine -->?<!-- end -->)."
    )
    assert filled(text, newest(tmp_path), where="README.md") == (
        "It is <!-- speed.fast -->6.00 (5.90 to 6.10)<!-- end -->, <!-- exact.fast -->3.00<!-- end --> "
        "(<!-- speed.machine -->AMD EPYC, 16 cores, 2026-01-02, busy with other work<!-- end -->)."
    )


def test_number_in_a_page_is_the_last_that_was_measured_on_its_day(tmp_path: Path) -> None:
    noon, evening = (f"2026-01-01T{hour}:00:00+00:00" for hour in (12, 18))
    stored(tmp_path, "2026-01-01", "amd-epyc-2-cores", {"speed": {**part(narrow(2.0)), "finished": evening}})
    stored(tmp_path, "2026-01-01", "intel-16-cores", {"speed": {**part(narrow(5.0), cores=16), "finished": noon}})
    text = filled("<!-- speed.fast --><!-- end -->", newest(tmp_path), where="page.md")
    assert text == "<!-- speed.fast -->2.00 (1.90 to 2.10)<!-- end -->"


def test_number_without_an_interval_says_so(tmp_path: Path) -> None:
    stored(tmp_path, "2026-01-01", "amd", {"speed": part(Ratio(what="w", value=2.0, rounds=1, width=0.05))})
    told = filled("<!-- speed.fast --><!-- end -->", newest(tmp_path), where="x.md")
    assert told == "<!-- speed.fast -->2.00 (no interval)<!-- end -->"


def test_script_that_nobody_has_started_yet_has_no_number(tmp_path: Path) -> None:
    assert "\nNot measured yet: " in page(newest(tmp_path))
    text = "It is <!-- saliency.vs_xplique_least -->9<!-- end --> times as fast."
    assert filled(text, [], where="x.md") == text.replace(">9<", ">not measured yet<")


@pytest.mark.parametrize("name", ["speed.slow", "other.fast"])
def test_number_that_no_result_has_is_refused(tmp_path: Path, name: str) -> None:
    stored(tmp_path, "2026-01-01", "amd", {"speed": part(narrow(4.0))})
    with pytest.raises(SystemExit, match=rf"README\.md: asks for {name}, which no newest result has"):
        filled(f"<!-- {name} --><!-- end -->", newest(tmp_path), where="README.md")


def test_results_of_another_schema_are_refused(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01-amd.json").write_text('{"schema": 2}')
    with pytest.raises(SystemExit, match="expected schema 1, got 2"):
        newest(tmp_path)


def test_one_command_measures_all_that_is_claimed() -> None:
    speeds = {"lce_ops", "lce_converter", "saliency", "quality", "overhead", "threads", "scale", "convolutions"}
    assert speeds <= set(everything.SCRIPTS)
    assert {one.script for one in newest(everything.FOLDER / "results")} <= set(everything.SCRIPTS)
