"""`bitlens bench`: any flatbuffer by anyone, on any device, in interleaved rounds of fresh processes."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.devices import jobs
from harness.devices.base import Device
from harness.devices.rounds import interleaved, spread_between_processes
from harness.devices.statistics import percentile
from harness.devices.sustained import Sustained, measure_sustained, ranking_changed, sustained_seconds
from harness.errors import ConfigError, DeviceError

_SEVERITY = ("valid", "suspect", "void")


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
        found = self.long_record and self.long_record["sustained"]
        return Sustained(**found) if found else None

    @property
    def verdict(self) -> tuple[str, str]:
        """The worst of the rounds' verdicts, with its reason."""
        if not self.records:
            return "void", "no round gave a record"
        worst = max(self.records, key=lambda record: _SEVERITY.index(record["verdict"]))
        return worst["verdict"], worst["verdict_reason"]


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
        extras["energy"] = jobs.energy(request.device, request.artifact, preprocessing=None, **where)
    if request.profile:
        extras["profile"] = jobs.profile(request.device, request.artifact, **where)
    return dataclasses.replace(result, **extras)


def _measure(request: Bench, count: int, protocol: dict[str, Any]) -> dict[str, Any]:
    return jobs.measure(
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


def parse_threads(text: str) -> tuple[int, ...]:
    """ "1,4" -> (1, 4). Raises ConfigError."""
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise ConfigError(f"--threads: expected counts such as 1,4, got {text!r}")
    return tuple(dict.fromkeys(int(word) for word in text.split(",")))


def parse_sustained(text: str) -> float:
    """ "30min" -> 1800.0 seconds, and 0 for an empty text. Raises ConfigError."""
    try:
        return sustained_seconds(text) if text else 0.0
    except ValueError as error:
        raise ConfigError(f"--sustained: expected {error}, got {text!r}") from error


def as_json(results: Mapping[str, Sequence[BenchResult]]) -> str:
    return json.dumps({name: [dataclasses.asdict(row) for row in rows] for name, rows in results.items()}, indent=2)


def as_text(results: Mapping[str, Sequence[BenchResult]]) -> str:
    """For people: milliseconds, blanks where the samples do not support a number, and what it is all worth."""
    blocks = [
        "\n".join([f"{name}, {_threads(row.num_threads)}", *_lines(row)])
        for name, rows in results.items()
        for row in rows
    ]
    return "\n".join([*blocks, *_ranking_lines(results)])


def _ranking_lines(results: Mapping[str, Sequence[BenchResult]]) -> Iterator[str]:
    """Whether the fastest at first is the fastest in the end, per thread count, where all ran long."""
    for count in sorted({row.num_threads for rows in results.values() for row in rows}):
        of_count = {name: row for name, rows in results.items() for row in rows if row.num_threads == count}
        long = {name: row.sustained for name, row in of_count.items() if row.sustained is not None}
        if len(long) > 1 and len(long) == len(results):
            word = "changed" if ranking_changed(long) else "kept"
            yield f"sustained speed {word} the ranking of the artifacts, {_threads(count)}"


def _lines(result: BenchResult) -> Iterator[str]:
    yield from (f"  failed    {failure}" for failure in result.failures)
    if not result.records:
        return
    record = result.records[-1]
    yield f"  runtime   {record['runtime']} {record['runtime_version']}, delegate {record['delegate']}"
    if record["emulated"]:
        yield f"  cost      {record['instructions']:,} instructions per inference"
    else:
        yield from _latency_lines(result, record)
    yield from _extra_lines(result)
    verdict, reason = result.verdict
    yield f"  verdict   {verdict}" + (f": {reason}" if reason else "")


def _latency_lines(result: BenchResult, record: dict[str, Any]) -> Iterator[str]:
    samples = result.samples_ns
    yield f"  load      {_ms(record['load_ns'])}, first run {_ms(record['first_run_ns'])}"
    for percent in (50, 90, 99):
        found = percentile(samples, percent)
        if found is not None:
            yield f"  p{percent}       {_ms(found.value)}  [{_ms(found.low)}, {_ms(found.high)}]"
    spread = spread_between_processes([other["samples_ns"] for other in result.records])
    between = f", {spread:.1%} between processes" if spread is not None else ""
    yield f"  samples   {len(samples)} in {len(result.records)} fresh processes{between}"
    if record["peak_rss_bytes"] is not None:
        yield f"  memory    {record['peak_rss_bytes'] / 2**20:.1f} MiB at most, Python and runtime included"


def _extra_lines(result: BenchResult) -> Iterator[str]:
    if result.sustained is not None:
        long = result.sustained
        first = f"{_ms(long.burst_ns)} at first: x {long.slowdown:.2f}"
        yield f"  sustained {_ms(long.sustained_ns)} after {long.seconds:.0f} s, {first}{_doubt(result.long_record)}"
    if result.energy is not None:
        millijoules = result.energy["joules_per_inference"] * 1000
        yield f"  energy    about {millijoules:.2f} mJ per inference (estimate: {result.energy['source']})"
    if result.profile is not None:
        yield f"  operators by {result.profile['method']}, delegate {result.profile['delegate']}"
        yield from (f"    {_ms(row['ns']):>12}  {row['name']}" for row in result.profile["operators"])


def _doubt(record: dict[str, Any] | None) -> str:
    return f" ({record['verdict']}: {record['verdict_reason']})" if record and record["verdict_reason"] else ""


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"


def _ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.3f} ms"
