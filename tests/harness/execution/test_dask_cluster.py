"""Local workers as Dask starts them, without a run."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import dask
import pytest
from distributed import KilledWorker

from harness.execution.dask_cluster import DaskCluster, start_workers
from harness.execution.sizing import Size

PATIENCE_SECONDS = 300.0  # on a busy machine a process takes half a minute to start


def test_worker_that_is_slow_to_start_again_is_waited_for() -> None:
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1 ms"}):  # every start is slow, then
        cluster = start_workers(Size(workers=1, limit_bytes=2**30, keep_bytes=2**30), attempts=3)
        try:
            dead = cluster.client.submit(os.getpid).result()
            os.kill(dead, signal.SIGKILL)
            assert _another_process(cluster, than=dead)
        finally:
            cluster.close([])


def test_worker_is_there_while_dask_refreshes_its_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client's list is one of no workers every two seconds, and a slow machine may read it just then."""
    cluster = start_workers(Size(workers=0, limit_bytes=2**30, keep_bytes=2**30), attempts=2)
    client, ask = cluster.client, cluster.client.sync

    def ask_slowly(*arguments: Any, **more: Any) -> Any:
        answer = ask(*arguments, **more)
        ask(client._update_scheduler_info)  # what Dask does meanwhile
        return answer

    try:
        monkeypatch.setattr(client, "sync", ask_slowly)
        assert len(cluster.addresses()) == 1
    finally:
        monkeypatch.undo()
        cluster.close([])


def _another_process(cluster: DaskCluster, *, than: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        future = cluster.client.submit(os.getpid, pure=False)
        try:
            return bool(future.result(timeout=PATIENCE_SECONDS) != than)
        except (OSError, KilledWorker):
            continue  # it was given to the process that was about to die
    return False
