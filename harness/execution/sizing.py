"""Who does the units of a run: processes of this machine, or a cluster. How many fit is decided here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.execution.certificates import NO_CERTIFICATES, Certificates

if TYPE_CHECKING:
    from harness.experiment.experiment import Experiment

GIB = 1 << 30
# What one model takes at most, and what any other takes meanwhile. VGG16 becomes int8 in up to 12.1 GiB, every other
# model of the catalogue in less than 5; TensorFlow itself, with a model for small images, stays below 1.5.
LARGEST, USUAL, SMALL = 13 * GIB, 5 * GIB, 3 * GIB // 2
SMALL_IMAGE = 64 * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Who does the units. `workers` processes are started here unless `cluster` is the address of a Dask scheduler.

    workers       None: as many as cores and memory allow; 0: none, all is done in this very process.
    memory_bytes  what a worker may take before it is ended; None: what is free, shared.
    certificates  with which a cluster is spoken to by TLS.
    storage       URL where blobs are exchanged with workers that do not see the run's folder.
    """

    workers: int | None = None
    memory_bytes: int | None = None
    cluster: str | None = None
    certificates: Certificates = NO_CERTIFICATES
    storage: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Local workers: how many, what each may take, and with how much it is restarted after a unit."""

    workers: int
    limit_bytes: int
    keep_bytes: int


def size_of(worker_config: WorkerConfig, experiment: Experiment, *, cores: int, available: int) -> Size:
    """As many workers as cores, as far as free memory goes: one with the largest model and the others as usual."""
    records = [
        model.preprocessing for model in experiment.models if model.preprocessing
    ]  # none where it is only measured
    pixels = max((record["height"] * record["width"] for record in records), default=0)
    largest, usual = (LARGEST, USUAL) if pixels > SMALL_IMAGE else (SMALL, SMALL)
    asked, memory = worker_config.workers, worker_config.memory_bytes
    if memory is not None:
        workers = max(1, min(cores, available // memory)) if asked is None else asked
        return Size(workers=workers, limit_bytes=memory, keep_bytes=3 * memory // 4)
    workers = max(1, min(cores, (available - largest) // usual + 1)) if asked is None else asked
    limit = max(available // max(1, workers), available - usual * (workers - 1))
    return Size(workers=workers, limit_bytes=limit, keep_bytes=min(usual, 3 * limit // 4))


def available_bytes() -> int:
    """Memory that can be taken without swapping; half of the machine's where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return kilobytes * 1024
