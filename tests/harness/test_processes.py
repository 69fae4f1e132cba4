"""Units in processes of their own: each is handed over once, and a process that dies costs one unit."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConversionError
from harness.experiment import Experiment, read_experiment
from harness.processes import WORKER_BYTES, Finished, perform_apart, workers_that_fit
from harness.store import Outcome, Store, Unit

FUNCTION = f"{__name__}:perform"


def perform(unit: Unit, workshop: Any, progress: Any) -> Outcome:
    """Stands in for a stage; runs in the process."""
    return BEHAVIOURS.get(unit.spec["format"], _succeed)(workshop)


def _succeed(workshop: Any) -> Outcome:
    return Outcome(result={"pid": os.getpid()})


def _save(workshop: Any) -> Outcome:
    return Outcome(result={"blob": workshop.store.save_blob(b"artifact")})


def _refuse(workshop: Any) -> Outcome:
    raise ConversionError("layer is odd", hint="another")


def _fail(workshop: Any) -> Outcome:
    raise ZeroDivisionError("by zero")


def _be_killed(workshop: Any) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _abort(workshop: Any) -> Outcome:
    print("LLVM ERROR: out of ideas", flush=True)
    os.abort()


BEHAVIOURS = {"blob": _save, "refused": _refuse, "bug": _fail, "killed": _be_killed, "aborted": _abort}


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "e.toml").write_text('models = ["planted-float"]\n[dataset]\nkind = "planted"\n')
    return read_experiment(tmp_path / "e.toml")


def units(*names: str) -> list[Unit]:
    return [Unit(kind="conversion", spec={"model": {"name": n.split()[0]}, "format": n.split()[1]}) for n in names]


def perform_all(experiment: Experiment, folder: Path, *names: str, workers: int = 2) -> dict[str, Finished]:
    done = perform_apart(units(*names), FUNCTION, experiment=experiment, folder=folder, workers=workers)
    return {f"{f.unit.spec['model']['name']} {f.unit.spec['format']}": f for f in done}


def test_units_of_one_network_share_a_process_and_networks_do_not(experiment: Experiment, tmp_path: Path) -> None:
    done = perform_all(experiment, tmp_path, "a one", "a two", "b one")
    pids = {name: finished.outcome.result["pid"] for name, finished in done.items() if finished.outcome}
    assert pids["a one"] == pids["a two"] != pids["b one"]
    assert os.getpid() not in pids.values()


def test_what_a_process_saved_is_in_the_run(experiment: Experiment, tmp_path: Path) -> None:
    outcome = perform_all(experiment, tmp_path, "a blob")["a blob"].outcome
    assert outcome is not None
    with Store(tmp_path) as store:
        assert store.blob_path(outcome.result["blob"]).read_bytes() == b"artifact"


def test_dead_process_costs_its_unit_and_the_next_gets_a_new_one(experiment: Experiment, tmp_path: Path) -> None:
    done = perform_all(experiment, tmp_path, "a one", "a killed", "a aborted", "a two")
    assert "died of signal SIGKILL; the system may have run out of memory" in done["a killed"].reason
    assert "died of signal SIGABRT; it last said: LLVM ERROR: out of ideas" in done["a aborted"].reason
    assert done["a two"].outcome is not None


def test_errors_come_back_as_sentences(experiment: Experiment, tmp_path: Path) -> None:
    done = perform_all(experiment, tmp_path, "a refused", "a bug", workers=1)
    assert done["a refused"].reason == "layer is odd\n  try: another"
    assert done["a bug"].reason == "ZeroDivisionError: by zero"
    assert "in perform" in done["a bug"].trace


def test_processes_end_with_the_run_that_started_them(experiment: Experiment, tmp_path: Path) -> None:
    running = perform_apart(units("a one", "a two"), FUNCTION, experiment=experiment, folder=tmp_path, workers=1)
    first = next(running).outcome
    assert first is not None
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first.result["pid"], 0)


def test_memory_bounds_how_many_networks_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.processes.os.cpu_count", lambda: 8)
    for available, workers in ((1 << 30, 1), (2 * WORKER_BYTES, 2), (100 * WORKER_BYTES, 8)):
        monkeypatch.setattr("harness.processes.available_bytes", partial(int, available))
        assert workers_that_fit() == workers
