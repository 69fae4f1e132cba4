"""What the charts of explanations show, as plain records: noise sweeps, layers, deployment gaps, sanity checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from harness.store import StoredUnit
from reports.data import formatting
from reports.data.stats import Interval, mean_interval
from reports.data.view import RunView, device_name

Records = list[dict[str, Any]]
MEANS = ("model", "family", "metric", "better", "mean", "low", "high")


def noise_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against noise level, per network, method and metric, where a method ran at three levels or more."""
    return _swept(summary, "noise_level", at_least=3)


def layer_sweep(summary: pd.DataFrame) -> Records:
    """Mean score against the layer that a method explained, where it explained two or more."""
    return _swept(summary, "layer", at_least=2)


def _swept(summary: pd.DataFrame, parameter: str, *, at_least: int) -> Records:
    rows = summary[(summary["judge"] == "float") & summary["mean"].notna()].to_dict("records")
    records = [
        {**_picked(row, *MEANS), "series": _series(row, parameter), parameter: row["spec_parameters"][parameter]}
        for row in rows
        if row["spec_parameters"].get(parameter) is not None
    ]
    values: dict[str, set[Any]] = {}
    for record in records:
        values.setdefault(record["series"], set()).add(record[parameter])
    return [record for record in records if len(values[record["series"]]) >= at_least]


def _series(row: Mapping[Any, Any], parameter: str) -> str:
    """The method with the parameters that stay as they are along a sweep; layers are named after each network's own."""
    fixed = {k: v for k, v in row["spec_parameters"].items() if k not in (parameter, "layer") and v is not None}
    return " ".join([row["method"], *(f"{name}={value}" for name, value in sorted(fixed.items()))])


def best_levels(sweep: Records) -> Records:
    """Per network, method and metric: the best noise level, and the range of levels that are not clearly worse."""
    groups: dict[tuple[str, ...], Records] = {}
    for record in sweep:
        groups.setdefault((record["model"], record["series"], record["metric"]), []).append(record)
    return [_best_level(records) for records in groups.values()]


def _best_level(records: Records) -> dict[str, Any]:
    pick = max if records[0]["better"] == "higher" else min
    best = pick(records, key=lambda record: record["mean"])
    levels = [record["noise_level"] for record in records if record is best or _overlap(record, best)]
    kept = _picked(best, "model", "family", "series", "metric", "mean")
    return {**kept, "best": best["noise_level"], "low": min(levels), "high": max(levels)}


def _overlap(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    if first["low"] is None or second["low"] is None:
        return False
    return bool(first["low"] <= second["high"] and second["low"] <= first["high"])


def deployment_gap(view: RunView, summary: pd.DataFrame) -> Records:
    """Score by the deployed judge minus score by the float judge, paired by image, with its interval."""
    units = view.of_kind("quality")
    by_float = {_what_is_judged(unit): unit for unit in units if _is_float(unit)}
    records = []
    for row, unit in zip(summary.to_dict("records"), units):
        reference = by_float.get(_what_is_judged(unit))
        if not _is_float(unit) and reference is not None:
            gap = mean_interval(_differences(view, unit, reference))
            records += [_gap_record(row, gap)] if gap else []
    return records


def judge_curves(view: RunView) -> Records:
    """Mean probability along insertion and deletion curves by every judge, of maps that a deployed one judged too."""
    units = [unit for unit in view.of_kind("quality") if unit.result.get("curves")]
    by_artifacts = {_what_is_judged(unit) for unit in units if not _is_float(unit)}
    return [record for unit in units if _what_is_judged(unit) in by_artifacts for record in _curve_records(view, unit)]


def _curve_records(view: RunView, unit: StoredUnit) -> Iterator[dict[str, Any]]:
    judge, maps = unit.spec.get("judge", "float"), view.find(unit.needs["saliency"])
    curves = [curve for curve in unit.result["curves"] if curve is not None]
    if maps is None or not curves:
        return
    name = "float" if _is_float(unit) else f"{judge['format']} on {device_name(judge)}"
    points = len(curves[0])
    for index, values in enumerate(zip(*curves)):
        yield {
            "model": maps.spec["model"]["name"],
            "metric": unit.spec["metric"],
            "label": view.method_labels[unit.needs["saliency"]],
            "judge": name,
            "share_percent": 100 * index / (points - 1),
            "mean": sum(values) / len(values),
        }


def _gap_record(row: Mapping[Any, Any], gap: Interval) -> dict[str, Any]:
    return {
        **_picked(row, "model", "family", "label", "metric", "better", "judge", "judge_device", "mean"),
        "deployment": f"{row['model']} {row['judge']} on {row['judge_device']}",
        "gap": gap.value,
        "gap_low": gap.low,
        "gap_high": gap.high,
    }


def _is_float(unit: StoredUnit) -> bool:
    return bool(unit.spec.get("judge", "float") == "float")


def _what_is_judged(unit: StoredUnit) -> tuple[str, ...]:
    return unit.needs["saliency"], unit.spec["metric"], str(sorted(unit.spec.get("parameters", {}).items()))


def _differences(view: RunView, unit: StoredUnit, reference: StoredUnit) -> list[float]:
    before = {score.image: score.value for score in view.scores(reference)}
    pairs = [(score.value, before.get(score.image)) for score in view.scores(unit)]
    return [deployed - by_float for deployed, by_float in pairs if deployed is not None and by_float is not None]


def sanity_checks(view: RunView) -> Records:
    """Units of kind `sanity`: a check of a method on a network, its mean over images, and whether it passed."""
    return [_sanity_record(view, unit) for unit in view.of_kind("sanity")]


def _sanity_record(view: RunView, unit: StoredUnit) -> dict[str, Any]:
    scores = view.scores(unit)
    found = mean_interval([score.value for score in scores if score.value is not None])
    undefined = sum(score.value is None for score in scores)
    rule, passes = SANITY[unit.spec["check"]]
    return {
        "model": unit.spec["model"]["name"],
        "method": view.method_labels.get(unit.needs["saliency"], unit.spec["method"]),
        "check": unit.spec["check"],
        "unit": unit.result.get("unit", ""),
        "value": found.value if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "rule": rule,
        "verdict": unit.status if unit.status != "done" else passes(found),
        "reason": view.reason(unit) or (f"{undefined} of {len(scores)} images undefined" if undefined else ""),
    }


def _stays_below(limit: float) -> Callable[[Interval | None], str]:
    def verdict(found: Interval | None) -> str:
        if found is None or found.low is None or found.high is None:
            return "unclear"
        return "passed" if found.high < limit else "failed" if found.low > limit else "unclear"

    return verdict


def _rises(found: Interval | None) -> str:
    if found is None or found.low is None or found.high is None:
        return "unclear"
    return "passed" if found.low > 0 else "failed" if found.high < 0 else "unclear"


STILL_ALIKE = 0.5  # rank correlation: maps that agree more than this look alike to a reader
SANITY: dict[str, tuple[str, Callable[[Interval | None], str]]] = {
    "parameter_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "data_randomisation": (f"rank correlation below {STILL_ALIKE}", _stays_below(STILL_ALIKE)),
    "emprt": ("the map's entropy rises", _rises),
}


def baseline_disagreements(summary: pd.DataFrame) -> Records:
    """Where the choice of what replaces pixels decides which method scores best on a network."""
    groups: dict[tuple[str, str], dict[str, Records]] = {}
    for row in _with_baselines(summary):
        groups.setdefault((row["model"], row["metric"]), {}).setdefault(row["baseline"], []).append(row)
    records = []
    for (model, metric), by_baseline in groups.items():
        best = {name: _best(candidates)["label"] for name, candidates in by_baseline.items()}
        if len(set(best.values())) > 1:
            told = "; ".join(f"{name}: {label}" for name, label in best.items())
            records.append({"model": model, "metric": metric, "best": told})
    return records


def _with_baselines(summary: pd.DataFrame) -> Records:
    """The float judge's rows of real methods: controls take no part in a ranking."""
    rows = summary[(summary["judge"] == "float") & summary["mean"].notna()].to_dict("records")
    return [
        {**_picked(row, "model", "metric", "label", "mean", "better"), "baseline": baseline}
        for row in rows
        if (baseline := json.loads(row["metric_parameters"]).get("baseline")) and not _is_control(row["method"])
    ]


def _is_control(method: str) -> bool:
    return method.startswith("control-")


def _best(rows: Records) -> dict[str, Any]:
    pick = max if rows[0]["better"] == "higher" else min
    return pick(rows, key=lambda row: row["mean"])


def _picked(row: Mapping[Any, Any], *names: str) -> dict[str, Any]:
    return {name: formatting.plain(row[name]) for name in names}
