"""The table and the Chrome trace, from events made by hand and from those of the delegate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device import trace
from device.trace import BETWEEN, WHOLE, Event
from tests.device.lce_ops.conftest import library
from tests.device.lce_ops.random_graphs import random_graph

__all__ = ["library"]

US = 1000
# One inference, in microseconds: 5 of others, a step on two threads, 2 of others.
EVENTS = [
    Event(105 * US, 118 * US, "partition"),
    Event(106 * US, 117 * US, "LceBconv2d", node=3),
    Event(107 * US, 112 * US, "tasks", tasks=4, offered=107 * US),
    Event(109 * US, 116 * US, "tasks", thread=1, tasks=6, offered=107 * US),
]


def test_what_no_partition_covers_is_left_to_other_operators() -> None:
    events = trace.with_gaps(EVENTS, 100 * US, 120 * US)
    assert [(e.started // US, e.ended // US) for e in events if e.what == BETWEEN] == [(100, 105), (118, 120)]
    assert [e.lasted for e in events if e.what == WHOLE] == [20 * US]
    assert events[0].what == WHOLE


def test_a_row_says_how_long_a_step_lasts_and_whom_it_waits_for() -> None:
    before, step, after, whole = trace.rows([trace.with_gaps(EVENTS, 100 * US, 120 * US)])
    assert (before.what, before.lasts, after.lasts) == (BETWEEN, 5, 2)
    assert (step.what, step.lasts, step.works, step.latest) == ("LceBconv2d 3", 11, 12, 2)
    assert (step.waits, step.threads, step.tasks) == (5, 2, 10)
    assert (whole.what, whole.lasts) == (WHOLE, 20)


def test_rows_are_medians_of_the_inferences() -> None:
    inferences = [trace.with_gaps(EVENTS, start * US, 120 * US) for start in (90, 100, 101)]
    assert [row.lasts for row in trace.rows(inferences)] == [5, 11, 2, 20]


def test_the_chrome_trace_has_a_row_per_thread() -> None:
    events = json.loads(json.dumps(trace.chrome(EVENTS)))["traceEvents"]
    assert [(e["tid"], e["name"], e["ts"], e["dur"]) for e in events] == [
        (0, "partition", 105, 13),
        (0, "LceBconv2d 3", 106, 11),
        (0, "tasks", 107, 5),
        (1, "tasks", 109, 7),
    ]
    assert events[3]["args"] == {"tasks": 6, "late_us": 2}


@pytest.mark.parametrize("num_threads", [1, 3])
def test_the_delegate_records_every_step_of_every_inference(library: Path, tmp_path: Path, num_threads: int) -> None:
    pytest.importorskip("ai_edge_litert")
    model, _ = random_graph(1, batch=8)
    (tmp_path / "model.tflite").write_bytes(model)
    inferences = trace.record(str(library), str(tmp_path / "model.tflite"), num_threads=num_threads, runs=4)
    steps = [[(e.what, e.node) for e in events if e.node >= 0] for events in inferences]
    assert len(steps) == 4
    assert steps[0]
    assert steps.count(steps[0]) == 4
    for events in inferences:
        inside = [e for e in events if e.node >= 0]
        whole = next(e for e in events if e.what == WHOLE)
        assert all(whole.started <= e.started <= e.ended <= whole.ended for e in inside)
        shares = [e for e in events if e.what == "tasks"]
        assert bool(shares) == (num_threads > 1)
        assert all(0 <= e.thread < num_threads and e.tasks > 0 and e.started >= e.offered for e in shares)
    assert len(trace.table(inferences).splitlines()) == len(trace.rows(inferences)) + 1


def test_without_the_option_nothing_is_recorded(library: Path) -> None:
    interpreter = pytest.importorskip("ai_edge_litert.interpreter")
    model, (image,) = random_graph(1)
    trace.take(str(library))
    delegate = interpreter.load_delegate(str(library))
    engine = interpreter.Interpreter(model_content=model, experimental_delegates=[delegate], num_threads=2)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], image)
    engine.invoke()
    assert trace.take(str(library)) == []


def test_the_program_prints_the_table_and_writes_the_trace(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ai_edge_litert")
    model, chrome = tmp_path / "model.tflite", tmp_path / "trace.json"
    model.write_bytes(random_graph(1)[0])
    monkeypatch.chdir(library.parent)  # the page names the library without a folder
    assert trace.main([library.name, str(model), "--threads", "2", "--runs", "2", "--chrome", str(chrome)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(WHOLE)
    assert json.loads(chrome.read_text())["traceEvents"]
