"""`bitlens bench`: flatbuffers by anyone, on any device, in interleaved rounds of fresh processes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.devices import client, operator_costs
from harness.devices.device import Device
from harness.devices.measured_inputs import MeasuredInputs
from harness.devices.retry import wait_out
from harness.devices.rounds import interleaved
from harness.devices.runtime_choice import AUTO, Runtime
from harness.devices.sustained import Sustained, measure_sustained
from harness.devices.transport.faults import AgentError, Away, Unreachable
from harness.devices.validity import Validity, worst
from harness.errors import BitlensError, ConfigError, DeviceError

MOST_CHARACTERS = 600  # of what is said of a failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is asked for. Times in seconds; `sustained_s` 0 leaves that part out.

    name    by which results go; requests of one call have different ones.
    note    what is to be said of the artifact.
    inputs  what it is measured on; None for random values of fixed shapes.
    """

    name: str
    artifact: Path
    device: Device
    inputs: MeasuredInputs | None = None
    note: str = ""
    threads: tuple[int, ...] = (1,)
    runtime: Runtime = AUTO
    rounds: int = 3
    seconds: float = 1.0
    sustained_s: float = 0.0
    energy: bool = False
    profile: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """All rounds of one thread count, 0 where none could be begun; `failures` says what became of rounds that gave no
    record, `inputs` what all were measured on."""

    num_threads: int
    records: tuple[dict[str, Any], ...]
    failures: tuple[str, ...]
    long_record: dict[str, Any] | None = None
    energy: dict[str, Any] | None = None
    profile: dict[str, Any] | None = None
    inputs: tuple[str, ...] = ()
    note: str = ""

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


def bench_all(requests: Sequence[Bench]) -> dict[str, list[BenchResult]]:
    """Results by the requests' names, a row for each thread count.

    All of them take turns, round by round. A round that fails is kept as a failure; where the agent was well and said
    why, or could not be reached, the next round would fail as well, and is not begun.
    """
    tallies = {f"{count} {request.name}": _Tally(request, count) for request in requests for count in request.threads}
    rounds = max((request.rounds for request in requests), default=0)
    for _, turn in interleaved(list(tallies), rounds=rounds, seed=requests[0].seed if requests else 0):
        away = tallies[turn].measure()
        if away:
            for tally in tallies.values():
                tally.end(away)
            break
    results: dict[str, list[BenchResult]] = {request.name: [] for request in requests}
    for tally in tallies.values():
        results[tally.request.name].append(tally.result())
    return results


class _Tally:
    """The rounds of one request with one number of threads, so far."""

    def __init__(self, request: Bench, count: int) -> None:
        self.request, self._count = request, count
        self._records: list[dict[str, Any]] = []
        self._failures: list[str] = []
        self._is_over = False

    def measure(self) -> str:
        """One round. Why the device is away, if it was lost and did not come back in time."""
        if self._is_over:
            return ""
        try:
            protocol = {"min_seconds": self.request.seconds}
            self._records.append(client.measure(*self._what, protocol=protocol, preprocessing=None, **self._how))
        except BitlensError as error:
            self._failures.append(_line(error))
            refused = isinstance(error, Unreachable) and not isinstance(error, Away)
            self._is_over = refused or isinstance(error, (AgentError, ConfigError))
            return wait_out(self.request.device, error)
        return ""

    def end(self, away: str) -> None:
        """The rounds that are left cannot begin."""
        if not self._is_over and len(self._records) + len(self._failures) < self.request.rounds:
            self._failures.append(_line(DeviceError(away)))
        self._is_over = True

    def result(self) -> BenchResult:
        """The rounds and, where they worked, the extras that were asked for."""
        result = BenchResult(
            num_threads=self._count,
            records=tuple(self._records),
            failures=tuple(self._failures),
            inputs=tuple(self.request.inputs.said) if self.request.inputs else (),
            note=self.request.note,
        )
        if not self._records:
            return result
        extras: dict[str, Any] = {}
        try:
            for name, value in self._extras():
                extras[name] = value
        except BitlensError as error:
            extras["failures"] = (*result.failures, _line(error))
        return dataclasses.replace(result, **extras)

    def _extras(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        request = self.request
        if request.sustained_s:
            long: dict[str, Any] = {"seconds": request.sustained_s, "protocol": {}, "preprocessing": None}
            yield "long_record", measure_sustained(request.device, request.artifact, **long, **self._how)
        if request.energy:
            yield "energy", client.energy(*self._what, preprocessing=None, **self._how)
        if request.profile:
            yield "profile", operator_costs.profile(*self._what, **self._how)

    @property
    def _what(self) -> tuple[Device, Path]:
        return self.request.device, self.request.artifact

    @property
    def _how(self) -> dict[str, Any]:
        inputs = self.request.inputs.record if self.request.inputs else None
        return {"num_threads": self._count, "runtime": self.request.runtime, "inputs": inputs}


def failed(failure: BitlensError) -> list[BenchResult]:
    """The results of what could not even be begun."""
    return [BenchResult(num_threads=0, records=(), failures=(_line(failure),))]


def _line(error: BitlensError) -> str:
    """Runtimes say what they do not like in several lines."""
    words = "; try: ".join(" ".join(part.split()) for part in str(error).split("\n  try: "))
    return words if len(words) <= MOST_CHARACTERS else f"{words[:MOST_CHARACTERS]} …"
