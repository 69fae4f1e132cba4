"""What to deploy on each device: the deployments worth considering, what each is best in, and how it differs from the
fastest.

The rule is in reports.sections.compromise. Praise compares with every deployment of the device, not with those that
are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from reports.data import formatting
from reports.data.machines import machines
from reports.data.view import INVALID, SUSPECT
from reports.sections.compromise import Axis, Row, worth_a_look
from reports.sections.differences import differences
from reports.sections.distributions import LATENCY_MARGIN
from reports.sections.remarks import remarks
from reports.sections.row_names import threads_text
from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts

Item = TypeVar("Item")
LONGEST_LIST = 6

LATENCY = Axis(name="latency", best="fastest", value="p50_ms", low="p50_low_ms", high="p50_high_ms",
               higher_is_better=False, ratio=True, margin=LATENCY_MARGIN)  # fmt: skip
ACCURACY = Axis(name="accuracy", best="most accurate", value="top1", low="top1_low", high="top1_high",
                higher_is_better=True)  # fmt: skip


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts | None:
    if not run.devices:
        return None
    return {
        "recommendations": recommend(run),
        "machines": machines(run.view),
        "has_artifact": run.view.has_blob,
        "explanation": _explanation(run),
        "latency_margin": LATENCY_MARGIN,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a deployment: its name, the estimate with its unit, and the interval as text, "" without one.

    images  behind an accuracy.
    """

    name: str
    value: str
    interval: str = ""
    images: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One deployment worth considering: what it is, gives and is best in, and how it differs from the first."""

    model: str
    family: str
    format: str
    deployment: str
    latency: str
    accuracy: str
    accuracy_images: int | None
    explanation: str
    praises: tuple[str, ...]
    against_first: tuple[str, ...]
    validity: str
    caution: str
    figures: tuple[Figure, ...] = ()
    artifact: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to deploy on one device, and what limits that; `choices` is empty when nothing was measured."""

    device: str
    summary: str
    choices: tuple[Choice, ...]
    left_out: int
    remarks: tuple[str, ...]


def recommend(run: RunData) -> list[Recommendation]:
    return recommendations(run.rows, _explanation(run))


def _explanation(run: RunData) -> Mapping[str, str] | None:
    return run.choices[0] if run.choices else None


def recommendations(rows: Sequence[Row], explanation: Mapping[str, str] | None) -> list[Recommendation]:
    """One recommendation per device, in the order of the rows. `explanation` names the score that means quality."""
    axes = _axes(explanation)
    by_device = _by_device([_with_quality(row, explanation) for row in rows])
    return [_recommendation(device, of_device, axes) for device, of_device in by_device.items()]


def recommended(run: RunData) -> list[int]:
    """The positions of all rows that are worth considering on their device."""
    explanation = _explanation(run)
    rows = [_with_quality(row, explanation) | {"at": at} for at, row in enumerate(run.rows)]
    return [
        row["at"]
        for of_device in _by_device(rows).values()
        for row in worth_a_look(*_compared(of_device, _axes(explanation)))
    ]


def _by_device(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each device, in their order."""
    devices: dict[str, list[Row]] = {row["device"]: [] for row in rows if row["device"]}
    for row in rows:
        if row["device"]:
            devices[row["device"]].append(row)
    return devices


def _axes(explanation: Mapping[str, str] | None) -> list[Axis]:
    return [LATENCY, ACCURACY, *([_quality_axis(explanation)] if explanation else [])]


def _compared(rows: Sequence[Row], axes: Sequence[Axis]) -> tuple[list[Row], list[Axis]]:
    """The rows of a device of which something was measured there, and the axes on which one is known."""
    deployed = [LATENCY, ACCURACY]  # explanations are of the model, and measured without any device
    measured = _without_repeats([row for row in rows if any(axis.known(row) for axis in deployed)])
    return measured, [axis for axis in axes if any(axis.known(row) for row in measured)]


def _quality_axis(explanation: Mapping[str, str]) -> Axis:
    return Axis(name="explanation score", best="best explained", value="quality", low="quality_low",
                high="quality_high", higher_is_better=explanation["better"] == "higher")  # fmt: skip


def _with_quality(row: Row, explanation: Mapping[str, str] | None) -> dict[str, Any]:
    mean, low, high, *_ = row["scores"].get(explanation["key"] if explanation else "", (None, None, None))
    return {**row, "quality": mean, "quality_low": low, "quality_high": high}


def _recommendation(device: str, rows: Sequence[Row], axes: Sequence[Axis]) -> Recommendation:
    measured, known = _compared(rows, axes)
    kept = sorted(worth_a_look(measured, known), key=_position)
    shown = most_telling(kept, lambda row: any(_praise(axis, row, measured) for axis in known), LONGEST_LIST)
    return Recommendation(
        device=device,
        summary=_summary(kept, measured, known) if kept else "Nothing to choose from: no deployment was measured.",
        choices=tuple(_choice(row, shown[0], measured, known) for row in shown),
        left_out=len(kept) - len(shown),
        remarks=tuple(remarks(rows, lacks_accuracy=bool(known) and ACCURACY not in known)),
    )


def _without_repeats(rows: Sequence[Row]) -> list[Row]:
    """Numbers of threads change nothing but the latency: of rows without one, the first of each artifact."""
    seen = set()
    for row in rows:
        if row["p50_ms"] is not None:
            seen.add((row["model"], row["format"], row["runtime"]))
    kept = []
    for row in rows:
        artifact = (row["model"], row["format"], row["runtime"])
        if row["p50_ms"] is not None or artifact not in seen:
            kept.append(row)
            seen.add(artifact)
    return kept


def _position(row: Row) -> tuple[bool, float, float]:
    return row["p50_ms"] is None, row["p50_ms"] or 0.0, -(row["top1"] or 0.0)


def _summary(kept: Sequence[Row], measured: Sequence[Row], axes: Sequence[Axis]) -> str:
    count, what = len(measured), _listed([axis.name for axis in axes])
    if count == 1:
        return f"{_name(kept[0])} alone was measured here, so there is nothing to choose from."
    if len(kept) == 1:
        deploy = "Deploy" if kept[0]["verdict"] not in (INVALID, SUSPECT) else "Provisionally, deploy"
        others = "the other deployment did not do" if count == 2 else f"none of the other {count - 1} deployments did"
        return f"{deploy} {_name(kept[0])}: {others} better in {what}."
    shared = [axis for axis in axes if sum(map(axis.known, measured)) > 1]
    if shared and not any(axis.clearly_better(one, other) for axis in shared for one in measured for other in measured):
        names = _listed([axis.name for axis in shared])
        return f"No clear difference between the {count} deployments in {names}."
    leaders = [
        f"{_name(row)} is {axis.best}" for axis in axes for row in kept if _praise(axis, row, measured) == axis.best
    ]
    lead = f" {'; '.join(leaders)}." if leaders else ""
    if len(kept) == count:
        none = "none is matched or beaten in every respect by another"
        return f"All {count} deployments are worth considering: {none}.{lead}"
    others = "each of the others is matched or beaten in every respect by one of these"
    return f"{len(kept)} of {count} deployments are worth considering; {others}.{lead}"


def _listed(names: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _name(row: Row) -> str:
    return f"{row['model']} {row['format']}"


def _choice(row: Row, first: Row, measured: Sequence[Row], axes: Sequence[Axis]) -> Choice:
    return Choice(
        model=row["model"],
        family=row["family"],
        format=row["format"],
        deployment=f"{row['format']}{threads_text(row['num_threads'])}, {row['runtime']}",
        latency=row["p50_text"] if row["p50_ms"] is not None else "",
        accuracy=row["top1_text"] if row["top1"] is not None else "",
        accuracy_images=row["accuracy_images"] if row["top1"] is not None else None,
        explanation=formatting.decimal(row["quality"]) + _interval(row) if row["quality"] is not None else "",
        praises=tuple(praise for axis in axes if (praise := _praise(axis, row, measured))),
        against_first=() if row is first else tuple(differences(row, first, axes)),
        validity=row["verdict"] or "",
        caution=row["verdict_reason"] if row["verdict"] in (SUSPECT, INVALID) and not row["emulated"] else "",
        figures=tuple(_figures(row)),
        artifact=row.get("artifact_sha256") or "",
    )


def _figures(row: Row) -> Iterator[Figure]:
    """What is known of latency, accuracy and explanation, with intervals."""
    if row["p50_ms"] is not None:
        ends = [None if row[end] is None else 1e6 * row[end] for end in ("p50_low_ms", "p50_high_ms")]
        yield Figure(name="median latency", value=row["p50_text"], interval=_between(ends, formatting.milliseconds))
    if row["top1"] is not None:
        ends = [row["top1_low"], row["top1_high"]]
        yield Figure(
            name="top-1 accuracy",
            value=f"{formatting.percent(row['top1'])} %",
            interval=_between(ends, formatting.percent),
            images=row["accuracy_images"],
        )
    if row["quality"] is not None:
        ends = [row["quality_low"], row["quality_high"]]
        yield Figure(
            name="explanation",
            value=formatting.decimal(row["quality"]),
            interval=_between(ends, formatting.decimal),
        )


def _between(ends: Sequence[float | None], show: Callable[[Any], str]) -> str:
    return "" if None in ends else " to ".join(map(show, ends))


def _interval(row: Row) -> str:
    if row["quality_low"] is None:
        return ""
    return f" ({formatting.decimal(row['quality_low'])} to {formatting.decimal(row['quality_high'])})"


def _praise(axis: Axis, row: Row, measured: Sequence[Row]) -> str:
    """`fastest` when clearly so, `among the fastest` when others are not clearly slower, else nothing."""
    if not axis.known(row) or any(axis.clearly_better(other, row) for other in measured):
        return ""
    rivals = [other for other in measured if other is not row and axis.known(other)]
    beaten = [axis.clearly_better(row, other) for other in rivals]
    if not any(beaten):
        return ""
    return axis.best if all(beaten) else f"among the {axis.best}"


def most_telling(kept: Sequence[Item], is_best: Callable[[Item], bool], most: int) -> list[Item]:
    """The first one, those that are best in something, then any others: at most so many, in their order."""
    preferred = [0, *(at for at, item in enumerate(kept) if is_best(item)), *range(len(kept))]
    return [kept[at] for at in sorted(list(dict.fromkeys(preferred))[:most]) if at < len(kept)]
