"""A unit that Dask gives up, or whose result is lost, is done again, unless nobody is left who could say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from harness.errors import BitlensError
from harness.execution.dask_pool import WorkerPool
from harness.execution.result_fetcher import Returned
from harness.execution.sizing import WorkerConfig
from harness.execution.task import Task, TaskResult
from tests.harness.execution.simulated import experiment_in, unit


class Future:
    """What Dask says of a unit."""

    def __init__(self, status: str) -> None:
        self.status = status

    def add_done_callback(self, callback: Any) -> None:
        pass

    def cancel(self) -> None:
        pass


class Cluster:
    """Stands in for Dask: one worker, whose units end with this status and no result."""

    client, is_local = None, False

    def __init__(self, status: str) -> None:
        self.future = Future(status)

    def has_worked(self, address: str) -> None:
        pass

    def addresses(self) -> list[str]:
        return ["tcp://one:1"]

    def submit(self, *arguments: Any, address: str) -> Future:
        return self.future

    def is_gone(self) -> BitlensError:
        return BitlensError("the scheduler is gone")


@pytest.fixture
def receive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., TaskResult | None]:
    """What a pool makes of a future that ended without a result, by its status."""

    def receive(status: str, **more: Any) -> TaskResult | None:
        cluster, one = Cluster(status), unit("a")
        monkeypatch.setattr("harness.execution.dask_cluster.start_workers", lambda *_, **__: cluster)
        pool = WorkerPool(WorkerConfig(), experiment_in(tmp_path), tmp_path, SimpleQueue())
        assert pool.idle() == {"tcp://one:1": ""}
        pool.hand_over(Task(key=one.key, unit=one, function=""), "tcp://one:1")
        return pool.receive(Returned(**{"key": one.key, "future": cluster.future, **more}))

    return receive


@pytest.mark.parametrize("status", ["lost", "pending", "finished"])
def test_result_that_is_lost_with_its_worker_is_made_again(receive: Any, status: str) -> None:
    lost = receive(status)
    assert lost.again
    assert lost.unit == unit("a")


def test_future_of_a_unit_that_was_handed_to_another_worker_meanwhile_is_not_heard(receive: Any) -> None:
    assert receive("lost", future=Future("finished")) is None


def test_future_that_nobody_here_cancelled_says_that_the_scheduler_is_gone(receive: Any) -> None:
    with pytest.raises(BitlensError, match="is gone"):
        receive("cancelled")


def test_result_that_nobody_could_be_asked_for_says_that_the_scheduler_is_gone(receive: Any) -> None:
    with pytest.raises(BitlensError, match="is gone"):
        receive("finished", is_cut=True)


@pytest.fixture
def lose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], TaskResult]:
    """What a pool of local workers makes of a unit whose worker died, which had begun it or not."""
    cluster, one, died = Cluster("lost"), unit("a"), iter(range(100))
    monkeypatch.setattr(cluster, "is_local", True)
    monkeypatch.setattr("harness.execution.dask_cluster.start_workers", lambda *_, **__: cluster)
    pool = WorkerPool(WorkerConfig(), experiment_in(tmp_path), tmp_path, SimpleQueue())
    pool.idle()

    def lose(begun: bool) -> TaskResult:
        pool.hand_over(Task(key=one.key, unit=one, function=""), "tcp://one:1")
        if begun:
            (tmp_path / "logs").mkdir(exist_ok=True)
            (tmp_path / "logs" / f"{one.key}.{next(died)}").write_text("out of ideas")
        result = pool.receive(Returned(key=one.key, future=cluster.future))
        assert result is not None
        return result

    return lose


@pytest.mark.parametrize("times", [1, 2, 7])
def test_unit_that_a_worker_had_not_begun_is_not_to_blame_for_its_death(lose: Any, times: int) -> None:
    assert all(lose(begun=False).again for _ in range(times))
    assert lose(begun=True).again
    assert all(lose(begun=False).again for _ in range(times))


def test_unit_that_two_workers_died_of_has_failed(lose: Any) -> None:
    assert lose(begun=True).again
    failed = lose(begun=True)
    assert (failed.again, failed.outcome) == (False, None)
    assert failed.reason == "its process died; it last said: out of ideas (tried 2 times)"
