"""Differences of runs for a terminal: a line of counts for each run, then what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from reports.comparing.gates import change_text, row_text
from reports.comparing.listing import CHANGED, counts
from reports.comparing.markdown import value_text
from reports.comparing.runs import Difference
from reports.data.aligned import aligned

MOST_REASONS = 3
HEAD = ("verdict", "deployment", "measure", "before", "after", "change (95 %)")


def differences_text(differences: Sequence[Difference], against: str, *, everything: bool) -> str:
    """The changed ones, or all. The differences are in the order of reports.comparing.listing."""
    parts = (_of_run(run, list(own), against, everything) for run, own in groupby(differences, lambda d: d.run))
    return "\n\n".join("\n".join(part) for part in parts)


def _of_run(run: str, differences: list[Difference], against: str, everything: bool) -> Iterator[str]:
    counted = ", ".join(f"{count} {verdict}" for verdict, count in counts(differences).items())
    yield f"{run} against {against}: {counted}"
    shown = [d for d in differences if everything or d.verdict in CHANGED]
    if shown:
        yield aligned(HEAD, map(_cells, shown), numbers=("before", "after"))
    if not everything:
        yield from _why_not(differences)
        if len(shown) < len(differences):
            yield f"{len(differences) - len(shown)} more with --all"


def _why_not(differences: list[Difference]) -> Iterator[str]:
    """The most frequent reasons for which nothing can be said, and how often."""
    for verdict in ("no answer", "not comparable"):
        reasons = Counter(d.reason or "no interval" for d in differences if d.verdict == verdict)
        for reason, count in reasons.most_common(MOST_REASONS):
            yield f"{count} {verdict}: {reason}"
        if len(reasons) > MOST_REASONS:
            yield f"{sum(reasons.values()) - sum(n for _, n in reasons.most_common(MOST_REASONS))} {verdict} for others"


def _cells(d: Difference) -> tuple[str, ...]:
    return d.verdict, row_text(d), d.measure, value_text(d, d.before), value_text(d, d.after), change_text(d)
