"""`bitlens bench` on artifacts of which nothing is known."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.cli.bench_text import as_json, as_text, parse_sustained, parse_threads
from harness.devices import client, retry
from harness.devices.bench import Bench, BenchResult, bench_all
from harness.devices.device import make_device
from harness.devices.transport.faults import AgentError, AgentLost, Away, ConnectionCut
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import ARTIFACTS, FLOAT

HOST = make_device({"name": "this-host", "kind": "local"})


def request(artifact: Path, **more: Any) -> Bench:
    return Bench(name="it", artifact=artifact, device=HOST, **{"rounds": 1, "seconds": 0.0, **more})


def test_every_thread_count_gets_its_rounds_and_its_lines() -> None:
    results = bench_all([request(ARTIFACTS / "int8.tflite", threads=(1, 2), rounds=2, profile=True)])["it"]
    assert [result.num_threads for result in results] == [1, 2]
    assert [len(result.records) for result in results] == [2, 2]
    text = as_text({"int8.tflite": results})
    for word in (
        "int8.tflite, 1 thread\n",
        "int8.tflite, 2 threads",
        "load",
        "first run",
        "p50",
        "in 2 fresh processes",
        "SOFTMAX",
        "validity",
    ):
        assert word in text
    assert "p99" not in text  # 100 samples do not support it
    assert json.loads(as_json({"int8.tflite": results}))["int8.tflite"][0]["records"][0]["samples_ns"]


def test_a_round_that_fails_is_a_line_and_never_a_zero() -> None:
    text = as_text(bench_all([request(ARTIFACTS / "float.tflite", runtime="hexagon")]))
    assert text.startswith('it: failed: device "this-host": load failed: RuntimeMissing')
    assert "p50" not in text


@pytest.mark.parametrize("name", ["\033[31mred", "\u202egnp", "one\ntwo", "\x9b2J", "\udcff"])
def test_a_file_s_name_reaches_no_terminal_as_it_is(name: str) -> None:
    [heading] = as_text({name: [BenchResult(num_threads=1, records=(), failures=("gone",))]}).splitlines()
    assert heading.startswith(("\\", "one\\n"))
    assert heading.isprintable()


@pytest.mark.parametrize("path", ["/dev/zero", "/proc/self/mem", "empty.tflite"])
def test_what_has_no_bytes_or_no_end_is_refused_before_it_is_sent(path: str, tmp_path: Path) -> None:
    (tmp_path / "empty.tflite").touch()
    [result] = bench_all([request(tmp_path / path)])["it"]
    assert re.search("is empty|is not a plain file", result.failures[0])


def test_artifacts_take_turns_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[str] = []
    monkeypatch.setattr(client, "measure", lambda device, artifact, **how: measured.append(artifact.name) or {})
    bench_all([Bench(name=name, artifact=Path(name), device=HOST, rounds=4) for name in "abc"])
    assert [sorted(measured[start : start + 3]) for start in range(0, 12, 3)] == [["a", "b", "c"]] * 4
    assert len({tuple(measured[start : start + 3]) for start in range(0, 12, 3)}) > 1


def test_what_an_agent_refuses_is_not_asked_again_and_a_crash_is(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = {"a": AgentError("no such operator", kind="ValueError", remote_traceback=""), "b": AgentLost("crashed")}
    measured: list[str] = []

    def measure(device: Any, artifact: Path, **how: Any) -> Any:
        measured.append(artifact.name)
        raise faults[artifact.name]

    monkeypatch.setattr(client, "measure", measure)
    results = bench_all([Bench(name=name, artifact=Path(name), device=HOST, rounds=3) for name in "ab"])
    assert (measured.count("a"), measured.count("b")) == (1, 3)
    assert as_text(results).splitlines() == ["a: failed: no such operator", "b: failed: crashed"]


def result(median_ns: int, level: str = "valid", **more: Any) -> BenchResult:
    record = {"runtime": "ai-edge-litert", "runtime_version": "2.1", "delegate": "none", "emulated": False}
    record |= {"load_ns": 1, "first_run_ns": 1, "peak_rss_bytes": None, "verdict": level, "verdict_reason": ""}
    return BenchResult(num_threads=1, records=({**record, "samples_ns": [median_ns] * 5, **more},), failures=())


def test_several_results_stand_side_by_side_with_their_ratio_to_the_fastest() -> None:
    failed = BenchResult(num_threads=0, records=(), failures=("gone",))
    results = {
        "slow": [result(3_000_000)],
        "fast": [result(2_000_000, "suspect")],
        "odd": [result(1_000_000, "invalid")],
    }
    table = as_text({**results, "none": [failed]}).split("\n\n")[-1]
    assert [line.split() for line in table.splitlines()] == [
        ["threads", "p50", "ratio", "validity"],
        ["slow", "1", "3.000", "ms", "1.50", "valid"],
        ["fast", "1", "2.000", "ms", "1.00", "suspect"],
        ["odd", "1", "1.000", "ms", "invalid"],
        ["none", "failed"],
    ]
    assert "threads" not in as_text({"alone": [result(1)]})


def test_an_emulated_device_is_compared_by_instructions() -> None:
    pair = {name: [result(1, "invalid", emulated=True, instructions=n)] for name, n in (("a", 3000), ("b", 2000))}
    assert "a  1        3,000 instructions  1.50   invalid" in as_text(pair)


def test_the_validity_is_that_of_the_worst_round() -> None:
    records = tuple({"verdict": level, "verdict_reason": f"because {level}"} for level in ("valid", "suspect"))
    assert BenchResult(num_threads=1, records=records, failures=()).validity.reason == "because suspect"
    assert BenchResult(num_threads=1, records=(), failures=("lost",)).validity.level == "invalid"


def test_a_bound_that_the_samples_do_not_support_is_open() -> None:
    record = {"runtime": "ai-edge-litert", "runtime_version": "2.1", "delegate": "none", "emulated": False}
    record |= {"load_ns": 1, "first_run_ns": 1, "peak_rss_bytes": None, "verdict": "valid", "verdict_reason": ""}
    few, more = ({**record, "samples_ns": [n * 10**6 for n in range(1, count + 1)]} for count in (5, 29))
    texts = [as_text({"a": [BenchResult(num_threads=1, records=(row,), failures=())]}) for row in (few, more)]
    assert "p50       3.000 ms\n" in texts[0]
    assert "p50       15.000 ms  [9.000 ms, 21.000 ms]\n" in texts[1]
    assert "p90       27.000 ms  [23.000 ms, open]\n" in texts[1]


def test_a_changed_ranking_is_said() -> None:
    def ran(burst_ns: float, sustained_ns: float) -> list[BenchResult]:
        long = {"burst_ns": burst_ns, "sustained_ns": sustained_ns, "seconds": 1800.0}
        return [BenchResult(num_threads=4, records=(), failures=(), long_record={"sustained": long})]

    changed = as_text({"a": ran(1e6, 3e6), "b": ran(2e6, 2e6)})
    assert changed.endswith("sustained speed changed the ranking of the artifacts, 4 threads")
    assert as_text({"a": ran(1e6, 1e6), "b": ran(2e6, 2e6)}).endswith("kept the ranking of the artifacts, 4 threads")


def test_durations_and_thread_counts_are_parsed_or_refused() -> None:
    assert parse_sustained("30min") == 1800
    assert parse_sustained("") == 0
    assert parse_threads("4,1,4") == (4, 1)
    for text, parse in (("30", parse_sustained), ("1,", parse_threads), ("0", parse_threads), ("two", parse_threads)):
        with pytest.raises(ConfigError, match="expected"):
            parse(text)


class Board:
    """A device; each measurement meets the next of these faults, each look for it the next of these."""

    name, kind, wait_s = "pi4", "ssh", 600.0

    def __init__(self, faults: list[Exception | None], looks: list[Exception | None]) -> None:
        self.faults, self.looks = faults, looks

    @contextmanager
    def open(self) -> Iterator[Any]:
        fault = self.looks.pop(0)
        if fault is not None:
            raise fault
        yield self

    def request(self, verb: str, *, deadline_s: float) -> dict[str, Any]:
        return {}


def bench_on(board: Any, monkeypatch: pytest.MonkeyPatch, *, rounds: int = 3) -> list[BenchResult]:
    def measure(device: Any, *what: Any, **how: Any) -> dict[str, Any]:
        fault = board.faults.pop(0)
        if fault is not None:
            raise fault
        return {"samples_ns": [1] * 5, "verdict": "valid", "verdict_reason": ""}

    monkeypatch.setattr(client, "measure", measure)
    monkeypatch.setattr(retry, "LOOK_PAUSE_SECONDS", 0.0)
    requests = [Bench(name=name, artifact=FLOAT, device=board, rounds=rounds) for name in ("a", "b")]
    return [result for results in bench_all(requests).values() for result in results]


def test_a_board_that_reboots_costs_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    cut, away = ConnectionCut("lost in measure", verb="measure"), Away("Connection refused")
    results = bench_on(Board([None, cut, None, None, None, None], [away, away, None]), monkeypatch)
    assert sorted(len(result.records) for result in results) == [2, 3]
    assert [failure for result in results for failure in result.failures] == ["lost in measure"]


def test_a_board_that_stays_away_ends_the_rounds_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board([None, Away("Connection refused")], [Away("No route to host")])
    board.wait_s = 0.0
    results = bench_on(board, monkeypatch)
    failures = [failure for result in results for failure in result.failures]
    assert failures.count("board away: No route to host") == 2
    assert failures.count("Connection refused") == 1
    assert sum(len(result.records) for result in results) == 1
