"""Runs against a first run: which numbers changed, by how much, how sure that is, and what cannot be compared.

The rule. Latency, load, first run and memory: the relative change of the geometric mean over rounds, with Welch's
interval; accuracy and explanation quality: the mean difference over the same images, paired, with a bootstrap interval;
the size of the artifact is exact. A change is clear when its 95 % interval leaves out zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, geometric_mean

from harness.store import ReadOnlyStore, StoredUnit
from reports.data.stats import MIN_ROUNDS, Interval, mean_interval, percentile, relative_change
from reports.data.view import INVALID, RunView, full_label, is_judged_by_float
from reports.data.words import damage_sentences
from reports.errors import ReportError
from reports.tables.comparison import RowId, depths, identity

RELATIVE, POINTS, SCORE = "relative", "points", "score"  # units of a change: fraction, percentage points, metric's own
PER_ROUND = ("p50", "p90", "p99", "load", "first_run", "peak_rss")
OF_RESULT = {"load": "load_ns", "first_run": "first_run_ns", "peak_rss": "peak_rss_bytes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measure of one deployment in two runs. `change` is None and `reason` says why where nothing can be said."""

    run: str
    row: RowId
    measure: str
    unit: str
    better: str
    before: float | None
    after: float | None
    change: Interval | None
    reason: str = ""

    @property
    def verdict(self) -> str:
        """better, worse, no clear difference, no answer (no interval), or not comparable."""
        if self.change is None:
            return "not comparable"
        if self.change.low is None or self.change.high is None:
            return "no answer"
        if self.change.low <= 0 <= self.change.high:
            return "no clear difference"
        return "better" if (self.change.value > 0) == (self.better == "higher") else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Every later run against the first; and sentences about what is damaged, by the folder of the run."""

    differences: list[Difference]
    damage: dict[Path, tuple[str, ...]]


def compare(run_folders: Sequence[Path]) -> Comparison:
    """Raises ReportError for runs that share nothing, and UnreadableStore for a folder without a run."""
    with ExitStack() as stack:
        stores = [stack.enter_context(ReadOnlyStore(folder)) for folder in run_folders]
        views = [RunView(store) for store in stores]
        pairs = zip(run_folders[1:], views[1:])
        differences = [d for folder, view in pairs for d in _against(views[0], view, folder.name)]
        if any(store.was_overwritten() for store in stores):
            raise ReportError("a run began to write while it was compared", hint="the same command")
        damage = {folder: damage_sentences(view) for folder, view in zip(run_folders, views)}
    return Comparison(differences=differences, damage={folder: said for folder, said in damage.items() if said})


Rows = dict[RowId, list[StoredUnit]]


def _against(before: RunView, after: RunView, run: str) -> Iterator[Difference]:
    paired = {kind: _paired(_rows(before, kind), _rows(after, kind)) for kind in ("latency", "conversion", "accuracy")}
    if not any(paired.values()):
        raise ReportError(f'run "{run}" shares no model, format and number of threads with the first run')
    for row, first, second in paired["latency"]:
        yield from _timing(run, row, first, second)
    for row, first, second in paired["conversion"]:
        yield from _size(run, row, first[0], second[0])
    for row, first, second in paired["accuracy"]:
        yield from _accuracy(run, row, (before, first[0]), (after, second[0]))
    yield from _explanations(run, before, after)


def _rows(view: RunView, kind: str) -> Rows:
    rows: Rows = {}
    for unit in view.of_kind(kind):
        rows.setdefault(identity(unit), []).append(unit)
    return rows


def _paired(first: Rows, second: Rows) -> list[tuple[RowId, list[StoredUnit], list[StoredUnit]]]:
    """Rows with the same identity; boards and runtimes may differ where each run has only one of them to offer."""
    shared = [row for row in first if row in second]
    if not any(row.device for row in shared):  # Keras references and artifacts belong to no device
        first, second = _without_place(first), _without_place(second)
        shared = [row for row in first if row in second]
    return [(row, first[row], second[row]) for row in shared]


def _without_place(rows: Rows) -> Rows:
    """Rows by model, format, threads and mode alone; those that several devices or runtimes share are left out."""
    by_place: dict[RowId, list[list[StoredUnit]]] = {}
    for row, units in rows.items():
        by_place.setdefault(row._replace(device="", runtime=""), []).append(units)
    return {row: places[0] for row, places in by_place.items() if len(places) == 1}


# -------------------------------------------------------------------------------------------------------- measures
def _timing(run: str, row: RowId, first: list[StoredUnit], second: list[StoredUnit]) -> Iterator[Difference]:
    if _all_emulated(first) and _all_emulated(second):
        return  # neither run has a latency, so there is none to compare
    refusal = _other_geometry(first[0], second[0]) or _unusable(first) or _unusable(second)
    for measure in PER_ROUND:
        values = [_per_round(units, measure) for units in (first, second)]
        if not refusal and not all(values):
            continue  # nobody measured it, or too few samples for the percentile
        few = "" if min(map(len, values)) >= MIN_ROUNDS else f"fewer than {MIN_ROUNDS} rounds, so no interval"
        yield Difference(
            run=run,
            row=row,
            measure=measure,
            unit=RELATIVE,
            better="lower",
            before=geometric_mean(values[0]) if values[0] else None,
            after=geometric_mean(values[1]) if values[1] else None,
            change=None if refusal else relative_change(*values),
            reason=refusal or few,
        )


def _all_emulated(rounds: list[StoredUnit]) -> bool:
    return all(unit.result.get("emulated") for unit in rounds)


def _unusable(rounds: list[StoredUnit]) -> str:
    """Why a time must not be compared; empty when it may."""
    if any(unit.result.get("emulated") for unit in rounds):
        return "the time under an emulator is not a latency"
    for unit in rounds:
        if unit.result.get("verdict") == INVALID:
            return f"a round is invalid: {unit.result['verdict_reason']}"
        if unit.status != "done":
            return f"a round is {unit.status}: {unit.reason or 'not done yet'}"
    return ""


def _per_round(rounds: list[StoredUnit], measure: str) -> list[float]:
    results = [unit.result for unit in rounds if unit.status == "done"]
    if measure in OF_RESULT:
        values = [result[OF_RESULT[measure]] for result in results]
    else:
        values = [percentile(result["samples_ns"], int(measure[1:])) for result in results]
    return [float(value) for value in values if value]


def _size(run: str, row: RowId, first: StoredUnit, second: StoredUnit) -> Iterator[Difference]:
    before, after = first.result.get("flatbuffer_bytes"), second.result.get("flatbuffer_bytes")
    if before and after:
        change = after / before - 1
        yield Difference(
            run=run,
            row=row,
            measure="flatbuffer_bytes",
            unit=RELATIVE,
            better="lower",
            before=before,
            after=after,
            change=Interval(value=change, low=change, high=change),
        )


def _accuracy(
    run: str, row: RowId, first: tuple[RunView, StoredUnit], second: tuple[RunView, StoredUnit]
) -> Iterator[Difference]:
    (before, tested), (after, tested_after) = first, second
    if tested.status != "done" or tested_after.status != "done":
        return
    refusal = _other_preprocessing(tested, tested_after) or _other_images(before, after, tested, tested_after)
    for measure, depth in depths(tested.spec["model"]):
        old, new = _hits(before, tested, depth), _hits(after, tested_after, depth)
        yield Difference(
            run=run,
            row=row,
            measure=measure,
            unit=POINTS,
            better="higher",
            before=_mean(old.values()),
            after=_mean(new.values()),
            change=None if refusal else mean_interval([new[image] - old[image] for image in old]),
            reason=refusal,
        )


def _hits(view: RunView, unit: StoredUnit, depth: int) -> dict[str, float]:
    return {p.image: float(p.label in p.ranked[:depth]) for p in view.store.predictions(unit.key)}


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None


def _explanations(run: str, before: RunView, after: RunView) -> Iterator[Difference]:
    """Scores of the float judge, per model, method and metric."""
    first, second = _judged(before), _judged(after)
    for name in filter(second.__contains__, first):
        (model, label, _), unit, other = name, first[name], second[name]
        old, new = _scores(before, unit), _scores(after, other)
        refusal = _other_images(before, after, unit, other)
        shared = [image for image in old if image in new]
        change = mean_interval([new[image] - old[image] for image in shared])
        yield Difference(
            run=run,
            row=RowId(model, ""),
            measure=f"{unit.spec['metric']}[{label}]",
            unit=SCORE,
            better=unit.result["better"],
            before=_mean(old[image] for image in shared),
            after=_mean(new[image] for image in shared),
            change=None if refusal else change,
            reason=refusal or ("" if change else "no image has a score in both runs"),
        )


def _scores(view: RunView, unit: StoredUnit) -> dict[str, float]:
    """By image, where there is one."""
    return {score.image: score.value for score in view.scores(unit) if score.value is not None}


def _judged(view: RunView) -> dict[tuple[str, str, str], StoredUnit]:
    judged = {}
    for unit in view.of_kind("quality"):
        if unit.status == "done" and is_judged_by_float(unit):
            maps = view.needed(unit, "saliency").spec
            judged[maps["model"]["name"], full_label(maps), view.metric_labels[unit.key]] = unit
    return dict(sorted(judged.items()))


# --------------------------------------------------------------------------------------------------------- refusals
def _other_geometry(first: StoredUnit, second: StoredUnit) -> str:
    sizes = [_size_of(unit) for unit in (first, second)]
    return "" if sizes[0] == sizes[1] or not all(sizes) else f"other input size: {sizes[0]} and {sizes[1]}"


def _size_of(unit: StoredUnit) -> str:
    """Of its images; of a file that is only measured the shapes of its inputs, "" where it failed before any were."""
    record = unit.spec["model"]["preprocessing"]
    if record:
        return f"{record['height']} × {record['width']}"
    return ", ".join(" × ".join(map(str, each["shape"])) for each in unit.result.get("inputs", ()))


def _other_preprocessing(first: StoredUnit, second: StoredUnit) -> str:
    records = [unit.spec["model"]["preprocessing"] for unit in (first, second)]
    differing = sorted(name for name in {**records[0], **records[1]} if records[0].get(name) != records[1].get(name))
    return f"other preprocessing: {', '.join(differing)} differ" if differing else ""


def _other_images(before: RunView, after: RunView, first: StoredUnit, second: StoredUnit) -> str:
    if first.needs["images"] == second.needs["images"]:
        return ""
    specs = [view.needed(unit, "images").spec for view, unit in ((before, first), (after, second))]
    differing = sorted(name for name in {**specs[0], **specs[1]} if specs[0].get(name) != specs[1].get(name))
    return f"other images: {', '.join(differing)} differ"
