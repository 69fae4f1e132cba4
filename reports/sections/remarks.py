"""What limits a recommendation: which numbers are missing, and which are worth less than others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reports.data.view import INVALID, SUSPECT
from reports.sections.compromise import Row
from reports.sections.row_names import row_names

MOST_REASONS = 2
MOST_NAMED = 3


def remarks(rows: Sequence[Row], *, lacks_accuracy: bool) -> Iterator[str]:
    """Sentences about the deployments of one device. `lacks_accuracy`: none has one, though something was measured."""
    if rows and all(row["emulated"] for row in rows):
        yield "No latency: the device is emulated, and emulated time is not a latency."
    else:
        yield from _doubts([row for row in rows if row["verdict"]])
    if lacks_accuracy:
        yield "No accuracy: nothing here says which model is right more often."
    unfinished = [row for row in rows if row["status"] != "done"]
    if unfinished:
        verb = "is" if len(unfinished) == 1 else "are"
        yield f"{len(unfinished)} of {len(rows)} deployments {verb} not fully measured; the table says why."


def _doubts(timed: Sequence[Row]) -> Iterator[str]:
    names = row_names(timed)
    for validity in (INVALID, SUSPECT):
        doubted = [at for at, row in enumerate(timed) if row["verdict"] == validity]
        if doubted:
            others = [name for at, name in enumerate(names) if at not in doubted]
            which = _which([names[at] for at in doubted], others)
            yield f"{which} {validity}: {_reasons([timed[at] for at in doubted])}."


def _which(names: Sequence[str], others: Sequence[str]) -> str:
    """How many latencies are meant, and whose, with the verb."""
    if not others:
        return "The latency is" if len(names) == 1 else f"All {len(names)} latencies are"
    shown = "marked in the table"
    if len(names) <= MOST_NAMED:
        shown = "; ".join(names)
    elif len(others) <= MOST_NAMED:
        shown = f"all but {'; '.join(others)}"
    return f"{len(names)} of {len(names) + len(others)} latencies ({shown}) {'is' if len(names) == 1 else 'are'}"


def _reasons(rows: Sequence[Row]) -> str:
    """The most frequent reasons, each with an example, and how many more there are."""
    examples: dict[str, str] = {}
    kinds = Counter[str]()
    for reason in (reason for row in rows for reason in row["verdict_reason"].split("; ")):
        kind = reason.split(":")[0]
        kinds[kind] += 1
        examples.setdefault(kind, reason)
    more = len(kinds) - MOST_REASONS
    told = [examples[kind] for kind, _ in kinds.most_common(MOST_REASONS)]
    return "; ".join([*told, *([f"and {more} more reason{'s' if more > 1 else ''}"] if more > 0 else [])])
