"""What to deploy: per device, the deployments that no other one beats, and in what each is best, in words.

A deployment beats another when it is clearly better in one of accuracy, latency and explanation quality, and clearly
worse in none. Clearly means that the 95 % intervals do not overlap; latencies must also differ by LATENCY_MARGIN,
because the interval of one measurement knows nothing of tomorrow's temperature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.data import formatting
from reports.data.view import INVALID
from reports.sections.distributions import LATENCY_MARGIN, threads_text
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts

LONGEST_LIST = 6

Row = Mapping[str, Any]


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts:
    explanation = run.choices[0] if run.choices else None
    return {
        "recommendations": recommendations(run.rows, explanation),
        "explanation": explanation,
        "latency_margin": LATENCY_MARGIN,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One deployment of a device's Pareto set: what it is, what it gives, what it is best in."""

    model: str
    family: str
    deployment: str
    numbers: tuple[str, ...]
    praises: tuple[str, ...]
    caution: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to deploy on one device; `choices` is empty when nothing on it can be compared, and `summary` says why."""

    device: str
    summary: str
    choices: tuple[Choice, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    name: str
    best: str
    value: str
    low: str
    high: str
    higher_is_better: bool
    margin: float = 0.0

    def clearly_better(self, row: Row, other: Row) -> bool:
        if row[self.value] is None or other[self.value] is None:
            return False
        (low, high), (other_low, other_high) = self._span(row), self._span(other)
        return low > other_high if self.higher_is_better else high < other_low

    def _span(self, row: Row) -> tuple[float, float]:
        value = row[self.value]
        low, high = (value if row[name] is None else row[name] for name in (self.low, self.high))
        return low * (1 - self.margin / 2), high * (1 + self.margin / 2)


def recommendations(rows: Sequence[Row], explanation: Mapping[str, str] | None) -> list[Recommendation]:
    """One recommendation per device, in the order of the rows. `explanation` names the score that means quality."""
    devices = dict.fromkeys(row["device"] for row in rows if row["device"])
    axes = _axes(explanation)
    scored = [_with_quality(row, explanation) for row in rows]
    return [_recommendation(device, [row for row in scored if row["device"] == device], axes) for device in devices]


def _axes(explanation: Mapping[str, str] | None) -> list[_Axis]:
    axes = [
        _Axis(name="latency", best="fastest", value="p50_ms", low="p50_low_ms", high="p50_high_ms",
              higher_is_better=False, margin=LATENCY_MARGIN),
        _Axis(name="accuracy", best="most accurate", value="top1", low="top1_low", high="top1_high",
              higher_is_better=True),
    ]  # fmt: skip
    if explanation:
        higher = explanation["better"] == "higher"
        axes.append(
            _Axis(name="explanation quality", best="best explained", value="quality", low="quality_low",
                  high="quality_high", higher_is_better=higher)
        )  # fmt: skip
    return axes


def _with_quality(row: Row, explanation: Mapping[str, str] | None) -> dict[str, Any]:
    mean, low, high, *_ = row["scores"].get(explanation["key"] if explanation else "", (None, None, None))
    return {**row, "quality": mean, "quality_low": low, "quality_high": high}


def _recommendation(device: str, rows: Sequence[Row], axes: Sequence[_Axis]) -> Recommendation:
    comparable = [row for row in rows if row["p50_ms"] is not None and row["top1"] is not None]
    if not comparable:
        why = _why_nothing(rows)
        return Recommendation(device=device, summary=f"No recommendation: {why}.", choices=(), left_out=0)
    front = [row for row in comparable if not any(_beats(other, row, axes) for other in comparable)] or comparable
    front.sort(key=lambda row: row["p50_ms"])
    choices = tuple(_choice(row, front, axes) for row in front[:LONGEST_LIST])
    return Recommendation(
        device=device,
        summary=_summary(front, comparable, axes),
        choices=choices,
        left_out=len(front) - len(choices),
    )


def _beats(row: Row, other: Row, axes: Sequence[_Axis]) -> bool:
    better = any(axis.clearly_better(row, other) for axis in axes)
    return better and not any(axis.clearly_better(other, row) for axis in axes)


def _why_nothing(rows: Sequence[Row]) -> str:
    if rows and all(row["emulated"] for row in rows):
        return "the device is emulated, and the time under an emulator is not a latency"
    invalid = [row for row in rows if row["verdict"] == INVALID]
    if invalid:
        return f"every latency on it is invalid; {invalid[0]['model']}, for one: {invalid[0]['verdict_reason']}"
    return "no deployment on it has both an accuracy and a latency"


def _summary(front: Sequence[Row], comparable: Sequence[Row], axes: Sequence[_Axis]) -> str:
    count = len(comparable)
    if count == 1:
        return "Only one deployment has both an accuracy and a latency here, so there is nothing to choose from."
    if len(front) == 1:
        return f"One deployment of {count} is beaten by none and beats or equals the others."
    if len(front) == count and not any(axis.clearly_better(a, b) for axis in axes for a in front for b in front):
        return f"No clear difference between the {count} deployments."
    return f"{len(front)} of {count} deployments are beaten by no other; each is a different compromise."


def _choice(row: Row, front: Sequence[Row], axes: Sequence[_Axis]) -> Choice:
    accuracy = f"top-1 {row['top1_text']}"
    quality = f"explanation {formatting.decimal(row['quality'])}{_interval(row)}"
    return Choice(
        model=row["model"],
        family=row["family"],
        deployment=f"{row['format']}{threads_text(row['num_threads'])}, {row['runtime']}",
        numbers=(f"p50 {row['p50_text']}", accuracy, *([quality] if row["quality"] is not None else [])),
        praises=tuple(praise for axis in axes if (praise := _praise(axis, row, front))),
        caution=row["verdict_reason"] if row["verdict"] == "suspect" else "",
    )


def _interval(row: Row) -> str:
    if row["quality_low"] is None:
        return ""
    return f" ({formatting.decimal(row['quality_low'])} to {formatting.decimal(row['quality_high'])})"


def _praise(axis: _Axis, row: Row, front: Sequence[Row]) -> str:
    """`fastest` when clearly so, `among the fastest` when others are not clearly slower, else nothing."""
    if row[axis.value] is None or any(axis.clearly_better(other, row) for other in front):
        return ""
    rivals = [other for other in front if other is not row]
    if all(axis.clearly_better(row, other) for other in rivals):
        return axis.best
    nobody_is_worse = not any(axis.clearly_better(row, other) for other in rivals)
    return "" if nobody_is_worse else f"among the {axis.best}"
