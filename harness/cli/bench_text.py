"""What `bitlens bench` prints, for people and as JSON."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from device.text import one_line
from harness.cli.profile_text import profile_lines
from harness.cli.text import milliseconds as _ms
from harness.devices.bench import BenchResult
from harness.devices.identity import identity
from harness.devices.rounds import spread_between_processes
from harness.devices.surroundings import CLOCK_SKEW_S, clock_in_words
from harness.devices.sustained import Sustained
from harness.errors import ConfigError, shown
from harness.experiment.durations import sustained_seconds
from reports.data.aligned import aligned
from reports.data.stats import median_interval, percentile, percentile_interval

MOST_INPUTS = 4  # that are shown of an artifact
MOST_OUTSIDE = 6  # types of operators in one line
RANKING_MARGIN = 0.05  # artifacts closer than this are equally fast: two rounds of one artifact may differ as much


def two_digits(value: float) -> str:
    """That count, however small the value is: never 0.00."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def ranking_changed(results: Mapping[str, Sustained]) -> bool:
    """Whether an artifact that was clearly faster than another at first is clearly slower once the board is warm."""
    return any(
        _clearly_less(one.burst_ns, other.burst_ns) and _clearly_less(other.sustained_ns, one.sustained_ns)
        for one, other in itertools.permutations(results.values(), 2)
    )


def _clearly_less(one: float, other: float) -> bool:
    return one * (1 + RANKING_MARGIN) < other


def parse_threads(text: str) -> tuple[int, ...]:
    """ "1,4" -> (1, 4). Raises ConfigError."""
    if not re.fullmatch(r"[1-9]\d{,3}(,[1-9]\d{,3})*", text):
        raise ConfigError(f"--threads: expected counts such as 1,4, got {shown(text)}")
    return tuple(dict.fromkeys(int(word) for word in text.split(",")))


def parse_sustained(text: str) -> float:
    """ "30min" -> 1800.0 seconds, and 0 for an empty text. Raises ConfigError."""
    try:
        return sustained_seconds(text) if text else 0.0
    except ValueError as error:
        raise ConfigError(f"--sustained: expected {error}, got {shown(text)}") from error


def as_json(results: Mapping[str, Sequence[BenchResult]]) -> str:
    return json.dumps({name: [dataclasses.asdict(row) for row in rows] for name, rows in results.items()}, indent=2)


def as_text(results: Mapping[str, Sequence[BenchResult]], *, in_order: bool = False) -> str:
    """For people: milliseconds, blanks where the samples do not support a number, and how valid it all is.

    in_order  profiles list every operator in the graph's order.
    """
    blocks = [block for name, rows in results.items() for block in _blocks(one_line(name), rows, in_order)]
    return "\n".join([*blocks, *_ranking_lines(results), *_side_by_side(results)])


def _blocks(name: str, rows: Sequence[BenchResult], in_order: bool) -> Iterator[str]:
    """A block for each thread count; a line for each way in which a file failed altogether."""
    if any(row.records for row in rows):
        yield from ("\n".join([f"{name}, {_threads(row.num_threads)}", *_lines(row, in_order)]) for row in rows)
    else:
        reasons = dict.fromkeys(failure for row in rows for failure in row.failures)
        yield from (f"{name}: failed: {reason.removeprefix(f'{name}: ')}" for reason in reasons)


def _side_by_side(results: Mapping[str, Sequence[BenchResult]]) -> Iterator[str]:
    """Several results in a table: what a median run costs, and how often the fastest would run in that time."""
    rows = [(one_line(name), row) for name, rows in results.items() for row in rows]
    if len(rows) < 2 or not any(row.records for _, row in rows):
        return
    least = min((cost for _, row in rows if (cost := _cost(row)) is not None and _counts(row)), default=None)
    yield ""
    yield aligned(("", "threads", "p50", "ratio", "validity"), (_cells(name, row, least) for name, row in rows))


def _cells(name: str, row: BenchResult, least: float | None) -> list[str]:
    threads, cost = str(row.num_threads or ""), _cost(row)
    if not row.records or cost is None:
        return [name, threads, "", "", "failed" if not row.records else row.validity.level]
    shown_cost = f"{cost:,} instructions" if row.records[-1]["emulated"] else _ms(cost)
    ratio = f"{cost / least:.2f}" if least and _counts(row) else ""
    return [name, threads, shown_cost, ratio, row.validity.level]


def _cost(row: BenchResult) -> int | None:
    """The median time of a run, or its instructions on an emulated device."""
    if not row.records:
        return None
    record = row.records[-1]
    instructions: int | None = record["instructions"] if record["emulated"] else None
    return instructions if record["emulated"] else percentile(row.samples_ns, 50)


def _counts(row: BenchResult) -> bool:
    """Whether a result may be compared: not an invalid time."""
    return row.validity.level != "invalid" or bool(row.records and row.records[-1]["emulated"])


def _ranking_lines(results: Mapping[str, Sequence[BenchResult]]) -> Iterator[str]:
    """Whether the fastest at first is the fastest in the end, per thread count, where all ran long."""
    for count in sorted({row.num_threads for rows in results.values() for row in rows}):
        of_count = {name: row for name, rows in results.items() for row in rows if row.num_threads == count}
        long = {name: row.sustained for name, row in of_count.items() if row.sustained is not None}
        if len(long) > 1 and len(long) == len(results):
            word = "changed" if ranking_changed(long) else "kept"
            yield f"sustained speed {word} the ranking of the artifacts, {_threads(count)}"


def _lines(result: BenchResult, in_order: bool) -> Iterator[str]:
    yield from (f"  failed    {failure}" for failure in dict.fromkeys(result.failures))
    if not result.records:
        return
    if result.note:
        yield f"  model     {result.note}"
    if result.inputs:
        more = len(result.inputs) - MOST_INPUTS
        yield f"  inputs    {'; '.join(result.inputs[:MOST_INPUTS])}{f' and {more} more' if more > 0 else ''}"
    record = result.records[-1]
    if record.get("machine"):
        yield f"  board     {identity(record['machine'])}"
    yield f"  runtime   {record['runtime']} {record['runtime_version']}, delegate {record['delegate']}{_origin(record)}"
    yield from _delegation_lines(record)
    ahead_s = record.get("circumstances", {}).get("clock_ahead_s") or 0.0
    if abs(ahead_s) > CLOCK_SKEW_S:
        yield f"  clock     the board's is {clock_in_words(ahead_s)}; times in the record are corrected"
    if record["emulated"] and record["instructions"] is None:
        yield from _memory_line(record)
    elif record["emulated"]:
        yield f"  cost      {record['instructions']:,} instructions per inference"
    else:
        yield from _latency_lines(result, record)
    yield from _extra_lines(result, in_order)
    validity = result.validity
    yield f"  validity  {validity.level}" + (f": {validity.reason}" if validity.reason else "")


def _origin(record: dict[str, Any]) -> str:
    """Which file a delegate was, where a person named one."""
    where = record.get("delegate_from")
    return f"; {record['options']['delegate']} is a file of {where}" if where else ""


def _delegation_lines(record: dict[str, Any]) -> Iterator[str]:
    """Who runs how many of the operators, and what that is worth."""
    delegation = record.get("delegation")
    if delegation is not None:
        who = [f"{name} {'some' if count is None else count}" for name, count in delegation["taken"].items()]
        share = f", {delegation['macs_share']:.1%} of the MACs" if delegation["macs_share"] is not None else ""
        yield f"  operators {delegation['operators']}, by delegates: {', '.join(who) or 'none'}{share}"
        if delegation["outside"] and any(delegation["taken"].values()):
            left = [f"{count} {name}" for name, count in delegation["outside"].items()]
            more = f" and {len(left) - MOST_OUTSIDE} more types" if len(left) > MOST_OUTSIDE else ""
            yield f"            outside of them: {', '.join(left[:MOST_OUTSIDE])}{more}"
    if record.get("runtime_note"):
        yield f"  note      {record['runtime_note']}"


def _latency_lines(result: BenchResult, record: dict[str, Any]) -> Iterator[str]:
    samples = result.samples_ns
    yield f"  load      {_ms(record['load_ns'])}, first run {_ms(record['first_run_ns'])}"
    rounds = [other["samples_ns"] for other in result.records]
    for percent in (50, 90, 99):
        value = percentile(samples, percent)
        bounds = median_interval(rounds) if percent == 50 else percentile_interval(samples, percent)
        if value is not None:
            yield f"  p{percent}       {_ms(value)}{_interval(*bounds)}"
    spread = spread_between_processes(rounds)
    between = f", {spread:.1%} between processes" if spread is not None else ""
    yield f"  samples   {len(samples)} in {len(result.records)} fresh processes{between}"
    yield from _memory_line(record)


def _memory_line(record: dict[str, Any]) -> Iterator[str]:
    if record["peak_rss_bytes"] is not None:
        yield f"  memory    {record['peak_rss_bytes'] / 2**20:.1f} MiB at most, Python and runtime included"


def _extra_lines(result: BenchResult, in_order: bool) -> Iterator[str]:
    if result.sustained is not None:
        long = result.sustained
        first = f"{_ms(long.burst_ns)} at first: x {long.slowdown:.2f}"
        yield f"  sustained {_ms(long.sustained_ns)} after {long.seconds:.0f} s, {first}{_doubt(result.long_record)}"
    if result.energy is not None:
        millijoules = result.energy["joules_per_inference"] * 1000
        yield f"  energy    about {two_digits(millijoules)} mJ per inference (estimate: {result.energy['source']})"
    if result.profile is not None:
        yield from profile_lines(result.profile, in_order=in_order)


def _doubt(record: dict[str, Any] | None) -> str:
    return f" ({record['verdict']}: {record['verdict_reason']})" if record and record["verdict_reason"] else ""


def _interval(low: int | None, high: int | None) -> str:
    """A bound that the samples do not support is left open."""
    return f"  [{_bound(low)}, {_bound(high)}]" if low is not None or high is not None else ""


def _bound(nanoseconds: int | None) -> str:
    return "open" if nanoseconds is None else _ms(nanoseconds)


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"
