"""Workers that die, refuse or grow cost their unit at most; whatever is finished is kept, and the rest goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from unittest.mock import Mock

import psutil
import pytest

from harness.errors import BitlensError
from harness.execution import dask_cluster, dask_pool, worker_ledger
from harness.execution.dask_pool import WorkerPool
from harness.execution.result_fetcher import Returned
from harness.execution.sizing import WorkerConfig, size_of
from harness.execution.task import Task, TaskResult
from harness.stages.stage_table import STAGES
from harness.store import Outcome, Store, StoredUnit
from harness.store.folder import store_errors_explained
from tests.harness.execution.loopback import read_until
from tests.harness.execution.simulated import STAGE, chains, do, experiment_in, start, unit

HERE = WorkerConfig(workers=0)


@pytest.fixture(autouse=True, scope="module")
def _simulated_stage() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STAGES, "simulated", STAGE)
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StoredUnit]:
    """One run of two workers that meets everything; what became of each unit, by what it does."""
    folder = tmp_path_factory.mktemp("mixed")
    units = [
        unit("a", "array", number=1, after=None),
        unit("a", "refuse"),
        unit("a", "bug"),
        unit("poisonous", "killed"),
        unit("odd", "aborted"),
        unit("b", "killed once", marker=str(folder / "marker")),
        unit("b", "nothing"),
    ]
    units.append(unit("a", "nothing", after=units[1]))
    do(folder, units, WorkerConfig(workers=2))
    with Store(folder) as store:
        by_name = {f"{u.spec['model']['name']} {u.spec['does']}": u for u in store.planned_units()}
        blob = by_name["a array"].result["blob"]
        assert store.is_intact(blob)
    assert not (folder / "logs").exists()
    return by_name


def test_units_are_done_in_other_processes(mixed: dict[str, StoredUnit]) -> None:
    assert mixed["b nothing"].result["pid"] != os.getpid()


def test_errors_come_back_as_sentences(mixed: dict[str, StoredUnit]) -> None:
    assert mixed["a refuse"].reason == "layer is odd\n  try: another"
    assert mixed["a bug"].reason == "ZeroDivisionError: by zero"


def test_unit_that_builds_on_a_failed_one_says_so(mixed: dict[str, StoredUnit]) -> None:
    assert mixed["a nothing"].reason == "needs the simulated, which failed: layer is odd\n  try: another"


def test_unit_that_kills_its_workers_fails_with_their_last_words(mixed: dict[str, StoredUnit]) -> None:
    killed, aborted = mixed["poisonous killed"], mixed["odd aborted"]
    assert killed.reason == "its process died of signal SIGKILL; the system may have run out of memory (tried 2 times)"
    assert aborted.reason == (
        "its process died of signal SIGABRT; it last said: LLVM ERROR: out of ideas (tried 2 times)"
    )


def test_unit_whose_worker_died_is_done_by_another(mixed: dict[str, StoredUnit]) -> None:
    assert mixed["b killed once"].status == "done"


@pytest.fixture
def most_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many units were handed to workers and not back yet, by unit that was handed over."""
    had, back = [], 0
    give, receive = WorkerPool.hand_over, WorkerPool.receive

    def hand_over(pool: WorkerPool, task: Task, address: str) -> None:
        give(pool, task, address)
        had.append(len(had) + 1 - back)

    def count_back(pool: WorkerPool, returned: Returned) -> TaskResult | None:
        nonlocal back
        result = receive(pool, returned)
        back += result is not None
        return result

    monkeypatch.setattr(WorkerPool, "hand_over", hand_over)
    monkeypatch.setattr(WorkerPool, "receive", count_back)
    return had


def test_poisonous_unit_that_waits_among_innocent_ones_fails_alone(tmp_path: Path, most_at_once: list[int]) -> None:
    units = [unit("a", number=number) for number in range(12)]
    units.insert(6, unit("a", "killed"))
    do(tmp_path, units, WorkerConfig(workers=1))
    with Store(tmp_path) as store:
        statuses = {u.spec.get("number", "poison"): u.status for u in store.planned_units()}
    assert max(most_at_once) > 1
    assert statuses.pop("poison") == "failed"
    assert set(statuses.values()) == {"done"}


def test_long_units_do_not_wait_for_a_worker_that_is_busy(
    tmp_path: Path, most_at_once: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_ledger, "AHEAD_SECONDS", 0.0)  # whatever a unit takes is long
    do(tmp_path, [unit("a", number=number) for number in range(6)], WorkerConfig(workers=0))
    assert most_at_once == [1] * 6


def test_worker_that_has_grown_is_restarted_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_pool, "size_of", lambda *a, **k: replace(size_of(*a, **k), keep_bytes=1))  # all have more
    do(tmp_path, [unit("a", number=number) for number in range(4)], WorkerConfig(workers=1))
    with Store(tmp_path) as store:
        units = list(store.planned_units())
    assert [u.status for u in units] == ["done"] * 4
    assert len({u.result["pid"] for u in units}) > 1


def test_worker_that_takes_more_memory_than_it_may_is_ended(tmp_path: Path) -> None:
    do(tmp_path, [unit("large", "memory"), unit("small")], WorkerConfig(workers=1, memory_bytes=700 << 20))
    with Store(tmp_path) as store:
        large, small = store.planned_units()
    assert "it took more memory than a worker is allowed; --memory sets how much that is" in large.reason
    assert small.status == "done"


def test_damaged_file_is_made_again_when_something_needs_it(tmp_path: Path) -> None:
    units = list(chains(5, seconds=0.0))
    do(tmp_path, units[:4], HERE)
    with Store(tmp_path) as store:
        blobs = [store.unit(u.key).result["blob"] for u in units[:4]]
    for blob in blobs[2:]:
        (tmp_path / "blobs" / blob).write_bytes(b"cut short")
    (tmp_path / "blobs" / blobs[1]).unlink()
    summary = do(tmp_path, units, HERE)
    with Store(tmp_path) as store:
        assert [u.status for u in store.planned_units()] == ["done"] * 5
        # the third's file was remade for the fourth, so the second's had to be as well
        assert all(store.is_intact(blob) for blob in blobs)
        assert store.load_array(store.unit(units[4].key).result["blob"]).tolist() == [0, 1, 2, 3, 4]
    assert summary.failed == 0


def test_all_that_builds_on_a_damaged_file_waits_until_it_is_made_again(tmp_path: Path) -> None:
    source = unit("a", "array", number=0)
    users = [unit("a", "array", number=number, after=source) for number in range(1, 9)]
    do(tmp_path, [source], HERE)
    with Store(tmp_path) as store:
        blob = store.unit(source.key).result["blob"]
    (tmp_path / "blobs" / blob).write_bytes(b"cut short")
    summary = do(tmp_path, [source, *users], HERE)
    assert (summary.failed, summary.done) == (0, len(users))


def test_full_disk_ends_the_run_and_fails_no_unit(tmp_path: Path) -> None:
    with pytest.raises(BitlensError, match="the disk is full; all that was finished is kept"):
        do(tmp_path, [unit("a"), unit("b", "no room"), unit("c")], HERE)
    with Store(tmp_path) as store:
        assert [u.status for u in store.planned_units()] == ["done", "planned", "planned"]


def test_full_disk_under_the_database_keeps_what_was_committed(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.commit(unit("a"), Outcome(), seconds=0.0)
        store._database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(BitlensError, match="the disk is full"), store_errors_explained():
            store.commit(unit("b"), Outcome(result={"much": "x" * (1 << 22)}), seconds=0.0)
    with Store(tmp_path) as store:
        assert store.unit(unit("a").key).status == "done"


def test_database_that_another_program_holds_is_one_sentence(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store._database.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(BitlensError, match="another program holds the run's database"), store_errors_explained():
            store.commit(unit("a"), Outcome(), seconds=0.0)
        other.close()


def test_interrupt_while_workers_start_is_heard_when_they_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Mock(client=object())

    def start_workers(*_: object, **__: object) -> Mock:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        return cluster

    monkeypatch.setattr(dask_cluster, "start_workers", start_workers)
    pool = WorkerPool(HERE, experiment_in(tmp_path), tmp_path, SimpleQueue())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            pool.idle()
    finally:
        signal.signal(signal.SIGINT, before)
    pool.close()
    cluster.close.assert_called_once_with([])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_coordinator_and_finished_work_is_kept(tmp_path: Path, how: signal.Signals) -> None:
    process = start(tmp_path, 30, seconds=0.2)
    read_until(process, "simulating ")
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    process.communicate(timeout=30)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert children
    assert not alive
    with Store(tmp_path) as store:
        before = set(store.finished())
    assert before
    summary = do(tmp_path, chains(30, seconds=0.2), HERE)
    assert summary.done_before == len(before)
    assert summary.done == 30 - len(before)


def test_first_process_that_is_spawned_does_not_unblock_interrupts() -> None:
    code = (
        "import signal\n"
        "from multiprocessing import resource_tracker\n"
        "from harness.execution.dask_cluster import interrupts_blocked\n"
        "with interrupts_blocked():\n"
        "    resource_tracker.ensure_running()\n"
        "    assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        "assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
