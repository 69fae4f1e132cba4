"""Local workers as Dask starts them, without a run."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import dask
import psutil
import pytest
from distributed import KilledWorker
from distributed.core import CommClosedError
from distributed.diagnostics.plugin import WorkerPlugin

from harness.errors import BitlensError
from harness.execution import local_workers
from harness.execution.dask_cluster import DaskCluster, start_workers
from harness.execution.nanny_log import NannyLog
from harness.execution.sizing import Size

PATIENCE_SECONDS = 300.0  # on a busy machine a process takes half a minute to start


class Quiet(WorkerPlugin):
    """Sets up nothing."""

    name = "a run"


class DiesInSetup(WorkerPlugin):
    """Has its process killed while it is set up, for the first so many times."""

    name = "a run"

    def __init__(self, marks: Path, times: int) -> None:
        self._marks, self._times = marks, times

    def setup(self, worker: Any) -> None:
        before = len(list(self._marks.iterdir()))
        if before < self._times:
            (self._marks / str(before)).touch()
            os.kill(os.getpid(), signal.SIGKILL)


class Refuses(WorkerPlugin):
    name = "a run"

    def setup(self, worker: Any) -> None:
        raise ImportError("no module of that name")


@contextmanager
def started(workers: int = 1, *, plugin: WorkerPlugin | None = None, limit_bytes: int = 2**30) -> Iterator[DaskCluster]:
    log = NannyLog()
    log.listen()
    size = Size(workers=workers, limit_bytes=limit_bytes, keep_bytes=limit_bytes)
    cluster = start_workers(size, plugin or Quiet(), attempts=3, nanny_log=log)
    try:
        yield cluster
    finally:
        cluster.close([])


def until(condition: Callable[[], Any]) -> Any:
    """What the condition returns, as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
    raise AssertionError(f"not within {PATIENCE_SECONDS} s")


def starting_workers() -> set[int]:
    """The processes that Dask has started from this one."""
    found = set()
    for child in psutil.Process().children():
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def test_worker_that_was_killed_is_followed_by_another() -> None:
    with started() as cluster:
        dead = cluster.client.submit(os.getpid).result()
        os.kill(dead, signal.SIGKILL)
        assert _another_process(cluster, than=dead)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_that_are_killed_as_soon_as_they_appear_are_followed_by_others(how: signal.Signals) -> None:
    with started(2) as cluster:
        for _ in range(3):
            alive = starting_workers()
            for pid in alive:
                os.kill(pid, how)
            (newcomer, *_) = until(lambda: starting_workers() - alive)  # noqa: B023  # called at once
            os.kill(newcomer, how)
        until(lambda: len(cluster.addresses()) == 2)


@pytest.mark.parametrize("times", [1, 3])
def test_worker_that_is_killed_while_its_plugin_is_set_up_is_followed_by_others(tmp_path: Path, times: int) -> None:
    with started(plugin=DiesInSetup(tmp_path, times)) as cluster:
        until(cluster.addresses)
    assert len(list(tmp_path.iterdir())) == times


def test_worker_that_always_dies_while_it_starts_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_workers, "CHANCES", 4)
    with (
        started(plugin=DiesInSetup(tmp_path, 10**6)) as cluster,
        pytest.raises(BitlensError, match="no worker stays alive: its process died of signal SIGKILL"),
    ):
        until(cluster.addresses)
    assert len(list(tmp_path.iterdir())) == 4


def test_worker_that_cannot_be_set_up_ends_in_a_sentence_with_the_reason() -> None:
    with (
        started(plugin=Refuses()) as cluster,
        pytest.raises(BitlensError, match="no worker stays alive: no module of that name; all that was finished"),
    ):
        until(cluster.addresses)


def test_memory_that_is_too_small_for_any_worker_ends_in_a_sentence_that_names_the_option() -> None:
    with (
        started(limit_bytes=20 << 20) as cluster,
        pytest.raises(
            BitlensError, match="it took more memory than a worker is allowed; --memory sets how much that is"
        ),
    ):
        until(lambda: cluster.addresses() and None)


@pytest.mark.parametrize("deaths", [1, 3, 9])
def test_worker_of_a_cluster_that_dies_while_it_is_told_what_it_needs_does_not_end_the_run(deaths: int) -> None:
    client = Mock()
    client.register_plugin.side_effect = [CommClosedError("gone")] * deaths + [None]
    client.sync.return_value = {"workers": {}}
    DaskCluster(client, "a run", address="tls://host:1").register(Quiet())
    assert client.register_plugin.call_count == deaths + 1


def test_workers_of_a_cluster_that_always_die_or_a_scheduler_that_does_are_one_sentence() -> None:
    client = Mock()
    client.register_plugin.side_effect = CommClosedError("gone")
    client.sync.return_value = {"workers": {}}
    cluster = DaskCluster(client, "a run", address="tls://host:1")
    with pytest.raises(BitlensError, match="the workers at tls://host:1 die before they can set up anything"):
        cluster.register(Quiet())
    client.sync.side_effect = CommClosedError("gone")
    with pytest.raises(BitlensError, match="the Dask scheduler at tls://host:1 is gone"):
        cluster.register(Quiet())


@pytest.mark.parametrize(("name", "value"), [("ciphers", "nonsense"), ("min-version", 7)])
def test_configuration_of_dask_that_allows_no_connection_is_one_sentence(name: str, value: Any) -> None:
    with (
        dask.config.set({f"distributed.comm.tls.{name}": value}),
        pytest.raises(BitlensError, match=r"no Dask scheduler can be started here: .*(cipher|min-version)"),
        started(),
    ):
        pass


def test_worker_is_there_while_dask_refreshes_its_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client's list is one of no workers every two seconds, and a slow machine may read it just then."""
    with started(0) as cluster:
        client, ask = cluster.client, cluster.client.sync

        def ask_slowly(*arguments: Any, **more: Any) -> Any:
            answer = ask(*arguments, **more)
            ask(client._update_scheduler_info)  # what Dask does meanwhile
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(client, "sync", ask_slowly)
            assert len(cluster.addresses()) == 1


def test_temporary_files_of_workers_are_in_a_folder_of_the_run_that_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with started() as cluster:
        theirs = Path(cluster.client.submit(tempfile.mkdtemp).result())
        (scratch,) = tmp_path.iterdir()
        assert scratch in theirs.parents
        assert scratch.stat().st_mode & 0o777 == 0o700
    assert list(tmp_path.iterdir()) == []
    assert not any(path.startswith(str(tmp_path)) for path in sys.path)


def _another_process(cluster: DaskCluster, *, than: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        future = cluster.client.submit(os.getpid, pure=False)
        try:
            return bool(future.result(timeout=PATIENCE_SECONDS) != than)
        except (OSError, KilledWorker):
            continue  # it was given to the process that was about to die
    return False
