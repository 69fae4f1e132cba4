"""The command line's options that say who does the units of work, in how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.errors import ConfigError
from harness.execution.certificates import NO_CERTIFICATES, Certificates
from harness.execution.cluster_address import parse_address
from harness.execution.sizing import WorkerConfig
from harness.saying import show

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Workers = Annotated[
    Optional[int],
    typer.Option(
        min=0,
        help="Worker processes on this machine; by default as many as cores and memory allow. 0: only this process.",
    ),
]
Memory = Annotated[
    Optional[str],
    typer.Option(help="Memory of each worker, e.g. 8GiB; by default a share of the free memory.", metavar="SIZE"),
]
Cluster = Annotated[
    Optional[str],
    typer.Option(
        help="Dask scheduler whose workers do the work: tls://host:8786, or tcp://host:8786, which is open to all.",
        metavar="ADDRESS",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the result and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also report how each part begins and ends.")]
_TLS = "for --cluster tls://; by default what Dask's configuration says."
CaFile = Annotated[
    Optional[Path],
    typer.Option("--tls-ca-file", help=f"PEM file of the cluster's certificate authority, {_TLS}"),
]
Cert = Annotated[Optional[Path], typer.Option("--tls-cert", help=f"PEM file of the client's certificate, {_TLS}")]
Key = Annotated[Optional[Path], typer.Option("--tls-key", help=f"PEM file of its private key, {_TLS}")]
StorageUrl = Annotated[
    Optional[str],
    typer.Option(
        "--storage",
        help="Where workers that do not see the run's folder find and leave files, e.g. s3://bucket/folder.",
        metavar="URL",
    ),
]


def listen_to(*, quiet: bool, verbose: bool) -> None:
    """Show as much of what is said as these options ask for. Raises ConfigError for both."""
    if quiet and verbose:
        raise ConfigError("expected one of --quiet and --verbose, got both")
    show(quiet=quiet, verbose=verbose)


def worker_config_of(
    *,
    workers: int | None = None,
    memory: str | None = None,
    cluster: str | None = None,
    certificates: Certificates = NO_CERTIFICATES,
    storage: str | None = None,
) -> WorkerConfig:
    """The options as the run takes them. Raises ConfigError for options that exclude each other."""
    if cluster is not None and (workers is not None or memory is not None):
        raise ConfigError("--cluster: its workers and their memory are what `dask worker` was told", hint="one of both")
    if certificates and (cluster is None or not parse_address(cluster).is_encrypted):
        raise ConfigError("--tls-ca-file, --tls-cert and --tls-key: expected --cluster tls://host:port as well")
    if storage is not None and cluster is None:
        raise ConfigError("--storage: expected --cluster as well; local workers see the run's folder")
    return WorkerConfig(
        workers=workers,
        memory_bytes=bytes_of(memory) if memory else None,
        cluster=str(parse_address(cluster)) if cluster is not None else None,
        certificates=certificates,
        storage=storage,
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
