"""The command line's options that say who does the units of work, in how much memory."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from harness.errors import ConfigError
from harness.execution.sizing import WorkerConfig

Workers = Annotated[
    Optional[int],
    typer.Option(min=0, help="Processes on this machine; as many as cores and memory allow. 0: this process alone."),
]
Memory = Annotated[
    Optional[str], typer.Option(help="What a worker may take, e.g. 8GiB; a part of what is free.", metavar="SIZE")
]
Cluster = Annotated[
    Optional[str],
    typer.Option(help="A Dask scheduler whose workers do the work, e.g. tcp://host:8786.", metavar="ADDRESS"),
]
StorageUrl = Annotated[
    Optional[str],
    typer.Option(
        "--storage",
        help="Where workers that do not see the run's folder find and leave files, e.g. s3://bucket/folder.",
        metavar="URL",
    ),
]


def worker_config_of(
    *,
    workers: int | None = None,
    memory: str | None = None,
    cluster: str | None = None,
    storage: str | None = None,
) -> WorkerConfig:
    """The options as the run takes them. Raises ConfigError for options that exclude each other."""
    if cluster is not None and (workers is not None or memory is not None):
        raise ConfigError("--cluster: its workers and their memory are what `dask worker` was told", hint="one of both")
    if storage is not None and cluster is None:
        raise ConfigError("--storage: expected --cluster as well; local workers see the run's folder")
    return WorkerConfig(
        workers=workers, memory_bytes=bytes_of(memory) if memory else None, cluster=cluster, storage=storage
    )


def bytes_of(text: str) -> int:
    """ "8GiB" -> 8589934592. Raises ConfigError for anything but a number and a unit."""
    from dask.utils import parse_bytes

    try:
        size: int = parse_bytes(text) if any(map(str.isdigit, text)) else 0  # to Dask, "GiB" is one
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise ConfigError(f'--memory: expected a size, got "{text}"', hint="8GiB")
    return size
