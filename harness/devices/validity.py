"""The validity of a latency: `valid`, `suspect` or `invalid`, with the reason. docs/measuring.md explains every rule.

Each rule is a pure function of the stored record, so that old records can be judged again by better rules. A rule
whose source is missing on the machine finds nothing: a blank is not a fault. What the machine was like before, during
and after the runs, its measurement conditions, stands in the record's `circumstances`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from harness.devices.identity import model_of
from harness.devices.rounds import spread_between_processes

LEVELS = ("valid", "suspect", "invalid")  # best to worst
MIN_SAMPLES = 5  # below this there is no p50
DRIFT_SUSPECT, DRIFT_INVALID = 0.05, 0.25  # fraction by which the last third's median differs from the first third's
OTHER_CPUS_SUSPECT = 0.10  # CPUs that other processes kept busy, on average
STOLEN_SUSPECT = 0.02  # fraction of all CPU time that a hypervisor gave to others
SPREAD_SUSPECT = 0.10  # fraction by which the medians of the rounds differ; LATENCY_MARGIN of the reports, twice
NOTE = "valid"  # the severity of what does not make a latency suspect, and must be known of it
CLOCK_CHANGE = 0.05  # fraction by which the lowest clock while it ran is below the highest
HOT_C = 80.0  # a Raspberry Pi's firmware starts to slow the clock at 80 °C
_NOW_BITS = 0xF  # under-voltage, frequency capped, throttled, soft temperature limit
_THROTTLE_WORDS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")

Record = dict[str, Any]
Finding = tuple[str, str]  # (invalid | suspect | NOTE, reason)
Rule = Callable[[Record], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How far a latency can be trusted. Of all findings the worst counts, with every reason of that severity.

    A valid one may have a reason too: what must be known of it.
    """

    level: str
    reason: str = ""

    def as_fields(self) -> dict[str, str]:
        """As a record stores it."""
        return {"verdict": self.level, "verdict_reason": self.reason}


def judge(record: Record, *, rules: tuple[Rule, ...] | None = None) -> Validity:
    """The validity of a latency record: `samples_ns`, `steady`, `circumstances`, `num_threads`, `protocol`, ...

    rules  all of them by default.
    """
    if record.get("emulated"):
        counted = "" if record.get("instructions") else ", and instructions are not counted there"
        return Validity(level="invalid", reason=f"emulated: time under an emulator is not a latency{counted}")
    findings = [finding for rule in rules or RULES for finding in rule(record)]
    for level in ("invalid", "suspect", NOTE):
        reasons = [reason for severity, reason in findings if severity == level]
        if reasons:
            return Validity(level=level, reason="; ".join(reasons))
    return Validity(level="valid")


def worst(records: Sequence[Record]) -> Validity:
    """The validity of several rounds together: that of the worst one, and suspect where their medians differ too much.

    What slows some of them may be out of sight: the other guests of a host, or the memory that a process was given.
    """
    record = max(records, key=lambda record: LEVELS.index(record["verdict"]))
    level, reason = record["verdict"], record["verdict_reason"]
    spread = spread_between_processes([record.get("samples_ns", ()) for record in records])
    doubts = [f"rounds differ: their medians by {spread:.0%}"] if spread and spread > SPREAD_SUSPECT else []
    boards = list(dict.fromkeys(model_of(record["machine"]) for record in records if record.get("machine")))
    if len(boards) > 1:
        doubts.append(f"rounds of different boards: {', '.join(boards)}")
    if level == "invalid" or not doubts:
        return Validity(level=level, reason=reason)
    return Validity(level="suspect", reason="; ".join([*doubts, *([reason] if level == "suspect" else [])]))


def _too_few_samples(record: Record) -> Iterator[Finding]:
    count, wanted = len(record["samples_ns"]), record["protocol"]["min_runs"]
    if count < MIN_SAMPLES:
        yield "invalid", f"too few samples: {count}, and the median needs {MIN_SAMPLES}"
    elif count < wanted:
        yield "suspect", f"too few samples: {count} of {wanted} before the time limit"


def _never_steady(record: Record) -> Iterator[Finding]:
    if not record["steady"]:
        yield "suspect", f"not steady after {len(record['warmup_ns'])} warm-up runs"


def _drifting(record: Record) -> Iterator[Finding]:
    samples = record["samples_ns"]
    third = len(samples) // 3
    if third < MIN_SAMPLES:
        return
    first, last = statistics.median(samples[:third]), statistics.median(samples[-third:])
    drift = last / first - 1
    if abs(drift) > DRIFT_SUSPECT:
        change = f"{abs(drift):.0%} {'longer' if drift > 0 else 'less'}"
        kind = "invalid" if abs(drift) > DRIFT_INVALID else "suspect"
        yield kind, f"drifting: the last third took {change} than the first"


def _throttled(record: Record) -> Iterator[Finding]:
    """Bits that are set now, and sticky bits set since the start. Older sticky bits are not this run's fault."""
    before, after = (record["circumstances"][when].get("throttled_bits") for when in ("before", "after"))
    if before is None or after is None:
        return
    bits = (after & _NOW_BITS) | (((after & ~before) >> 16) & _NOW_BITS)
    if bits:
        yield "invalid", "throttled: " + ", ".join(word for i, word in enumerate(_THROTTLE_WORDS) if bits >> i & 1)


def _other_load(record: Record) -> Iterator[Finding]:
    other = other_cpus(record)
    cpus = record.get("machine", {}).get("cpus")
    if other is None or cpus is None:
        return
    if other > cpus - record["num_threads"] + 0.5:
        yield "invalid", f"other load: other processes kept {other:.1f} of {cpus} CPUs busy"
    elif other > OTHER_CPUS_SUSPECT:
        yield "suspect", f"other load: other processes kept {other:.1f} of {cpus} CPUs busy"


def other_cpus(record: Record) -> float | None:
    """How many CPUs were busy with other processes, on average from before to after."""
    before, after = (record["circumstances"][when] for when in ("before", "after"))
    if not before.get("cpu_seconds") or not after.get("cpu_seconds"):
        return None
    seconds = (after["monotonic_ns"] - before["monotonic_ns"]) / 1e9
    busy = after["cpu_seconds"]["busy"] - before["cpu_seconds"]["busy"]
    own = after["own_cpu_seconds"] - before["own_cpu_seconds"]
    return max(0.0, (busy - own) / seconds) if seconds > 0 else None


def _stolen(record: Record) -> Iterator[Finding]:
    before, after = (record["circumstances"][when].get("cpu_seconds") for when in ("before", "after"))
    if not before or not after:
        return
    passed = {name: after[name] - before[name] for name in before}
    total = sum(passed.values())
    if total > 0 and passed["stolen"] / total > STOLEN_SUSPECT:
        yield "suspect", f"virtual machine: {passed['stolen'] / total:.0%} of the CPU time went to others on its host"


def _virtual(record: Record) -> Iterator[Finding]:
    """A guest sees neither what else its host does nor whether its processor is emulated; a container sees both."""
    machine = record.get("machine", {})
    if machine.get("virtual_machine"):
        yield "suspect", f"virtual machine ({machine['virtual_machine']}): other load on its host cannot be seen"
    if machine.get("container"):
        yield NOTE, f"in a container ({machine['container']}), whose limits may differ from those of other processes"


def _clock_changed(record: Record) -> Iterator[Finding]:
    """Only clocks read while it ran: before the start an idle machine's clock is rightly low."""
    samples = record["circumstances"]["during"][1:]
    seen = [max(sample["clocks_khz"]) for sample in samples if sample.get("clocks_khz")]
    if seen and 1 - min(seen) / max(seen) > CLOCK_CHANGE:
        yield "suspect", f"clock changed between {min(seen) // 1000} and {max(seen) // 1000} MHz"


def _hot(record: Record) -> Iterator[Finding]:
    temperatures = record["circumstances"]["after"].get("temperatures_c") or {}
    hot = {name: value for name, value in temperatures.items() if value >= HOT_C}
    if hot:
        name = max(hot, key=lambda sensor: hot[sensor])
        yield "suspect", f"hot: {name} at {hot[name]:.0f} °C"


def _powersave(record: Record) -> Iterator[Finding]:
    if "powersave" in (record["circumstances"]["before"].get("governors") or []):
        yield "suspect", "governor powersave"


def _swapping(record: Record) -> Iterator[Finding]:
    before, after = (record["circumstances"][when].get("swap_used_bytes") for when in ("before", "after"))
    if before is not None and after is not None and after - before > 1 << 20:
        yield "suspect", f"swapping: {(after - before) >> 20} MiB were swapped out meanwhile"


def _fallback(record: Record) -> Iterator[Finding]:
    """A delegate that was asked for and took nothing: what was timed is the CPU."""
    for delegate in idle_delegates(record):
        yield "suspect", f"delegate {delegate} took 0 of {record['delegation']['operators']} operators"


def idle_delegates(record: Record) -> list[str]:
    """The delegates that were asked for, by a path or by `xnnpack = true`, and took nothing."""
    asked, taken = record.get("options") or {}, (record.get("delegation") or {}).get("taken", {})
    names = ["XNNPACK"] * (asked.get("xnnpack") is True)
    names += [PurePath(asked["delegate"]).name] if "delegate" in asked else []
    return [name for name in names if taken.get(name) == 0]


RULES: tuple[Rule, ...] = (
    _too_few_samples,
    _never_steady,
    _drifting,
    _throttled,
    _other_load,
    _stolen,
    _virtual,
    _clock_changed,
    _hot,
    _powersave,
    _swapping,
    _fallback,
)

# A long measurement looks for heat and what comes of it; finding them does not spoil it.
SUSTAINED_RULES = tuple(rule for rule in RULES if rule not in (_drifting, _throttled, _clock_changed, _hot))
