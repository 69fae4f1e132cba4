"""`bitlens bench`: any flatbuffer by anyone, on any device, in interleaved rounds of fresh processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.devices import client
from harness.devices.device import Device
from harness.devices.rounds import interleaved
from harness.devices.sustained import Sustained, measure_sustained
from harness.devices.validity import Validity, worst
from harness.errors import DeviceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is asked for. Times in seconds; `sustained_s` 0 leaves that part out."""

    artifact: Path
    device: Device
    threads: tuple[int, ...] = (1,)
    runtime: str = "auto"
    rounds: int = 3
    seconds: float = 1.0
    sustained_s: float = 0.0
    energy: bool = False
    profile: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """All rounds of one thread count; `failures` says what became of rounds that gave no record."""

    num_threads: int
    records: tuple[dict[str, Any], ...]
    failures: tuple[str, ...]
    long_record: dict[str, Any] | None = None
    energy: dict[str, Any] | None = None
    profile: dict[str, Any] | None = field(default=None)

    @property
    def samples_ns(self) -> list[int]:
        return [sample for record in self.records for sample in record["samples_ns"]]

    @property
    def sustained(self) -> Sustained | None:
        burst_and_sustained = self.long_record and self.long_record["sustained"]
        return Sustained(**burst_and_sustained) if burst_and_sustained else None

    @property
    def validity(self) -> Validity:
        """That of the worst round."""
        return worst(self.records) if self.records else Validity(level="invalid", reason="no round gave a record")


def bench(request: Bench) -> list[BenchResult]:
    """Measure all rounds, one thread count beside the other; a round that fails is kept as a failure."""
    records: dict[int, list[dict[str, Any]]] = {count: [] for count in request.threads}
    failures: dict[int, list[str]] = {count: [] for count in request.threads}
    for _, name in interleaved([str(count) for count in request.threads], rounds=request.rounds, seed=request.seed):
        try:
            records[int(name)].append(_measure(request, int(name), {"min_seconds": request.seconds}))
        except DeviceError as error:
            failures[int(name)].append(str(error))
    return [_result(request, count, records[count], failures[count]) for count in request.threads]


def _result(request: Bench, count: int, records: list[dict[str, Any]], failures: list[str]) -> BenchResult:
    """The rounds and, where they worked, the extras that were asked for."""
    result = BenchResult(num_threads=count, records=tuple(records), failures=tuple(failures))
    if not records:
        return result
    where: dict[str, Any] = {"num_threads": count, "runtime": request.runtime}
    extras: dict[str, Any] = {}
    if request.sustained_s:
        long: dict[str, Any] = {"seconds": request.sustained_s, "protocol": {}, "preprocessing": None}
        extras["long_record"] = measure_sustained(request.device, request.artifact, **long, **where)
    if request.energy:
        extras["energy"] = client.energy(request.device, request.artifact, preprocessing=None, **where)
    if request.profile:
        extras["profile"] = client.profile(request.device, request.artifact, **where)
    return dataclasses.replace(result, **extras)


def _measure(request: Bench, count: int, protocol: dict[str, Any]) -> dict[str, Any]:
    return client.measure(
        request.device,
        request.artifact,
        preprocessing=None,
        num_threads=count,
        protocol=protocol,
        runtime=request.runtime,
    )


def bench_all(requests: Sequence[Bench]) -> dict[str, list[BenchResult]]:
    """Results by artifact, as it was named on the command line."""
    return {str(request.artifact): bench(request) for request in requests}
