"""Fetches what workers return, in Dask's own threads, and puts it into the coordinator's queue."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

from harness.execution.task import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A unit's future has ended. `delivery` is None where there is no result to be had.

    is_cut  nobody could be asked for it: the connection to the scheduler is gone.
    """

    key: str
    future: Any
    delivery: Delivery | None = None
    is_cut: bool = False


class ResultFetcher:
    """Puts a Returned into the queue `arrived` for each future that it watches."""

    def __init__(self, client: Any, arrived: SimpleQueue[Any]) -> None:
        self._client, self._arrived = client, arrived
        self._ended: list[tuple[str, Any]] = []  # keys and futures whose results are to be fetched

    def watch(self, key: str, future: Any) -> None:
        future.add_done_callback(partial(self._has_ended, key))

    def _has_ended(self, key: str, future: Any) -> None:
        """In Dask's thread for callbacks."""
        if future.status == "finished":
            self._client.loop.add_callback(self._fetch, key, future)
        else:
            self._arrived.put(Returned(key=key, future=future))

    async def _fetch(self, key: str, future: Any) -> None:
        """In Dask's event loop: ask for all results that there are, at once for what ended while we asked.

        A worker that died has taken its results with it: Dask then waits, until the pool takes the units back.
        """
        self._ended.append((key, future))
        if len(self._ended) > 1:  # the call that put the first one there fetches this one too
            return
        while self._ended:
            asked = self._ended.copy()
            is_cut = False
            try:
                deliveries = await self._client.gather(dict(asked), errors="skip", asynchronous=True)
            except Exception:  # the connection was cut, and the run is told so
                deliveries, is_cut = {}, True
            for key, future in asked:
                self._arrived.put(Returned(key=key, future=future, delivery=deliveries.get(key), is_cut=is_cut))
            del self._ended[: len(asked)]
