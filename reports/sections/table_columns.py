"""The columns of the table of deployments: what each shows of a row, and which the page begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.data import formatting
from reports.sections.reasons import Notes

Row = Mapping[str, Any]
LONGEST_LINE = 22  # letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a row has in a column: the value, what stands small below it, coloured words, and numbers of notes.

    changes  whether the reader's choice of a score may fill it.
    """

    text: str = ""
    small: str = ""
    pills: tuple[str, ...] = ()
    notes: tuple[int, ...] = ()
    changes: bool = False

    @property
    def says_something(self) -> bool:
        return self.text not in ("", formatting.UNKNOWN) or bool(self.small or self.pills or self.notes or self.changes)

    @property
    def is_long(self) -> bool:
        """Whether it may be broken into lines: names of runtimes and boards are not, unless they must."""
        return len(self.text) > LONGEST_LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column.

    key     by which it is sorted: a name in the rows of the page.
    number  whether values are numbers, and stand to the right.
    common  whether a value that all deployments share is stated above the table, in place of the column.
    shown   whether the page begins with it; the others are chosen by the reader.
    minor   whether a card, as narrow windows have them, shows it only when asked for details.
    """

    key: str
    title: str
    cell: Callable[[Row, Notes], Cell]
    unit: str = ""
    number: bool = True
    common: bool = False
    shown: Callable[[Sequence[Row]], bool] = lambda rows: True
    minor: bool = False


def _hidden(rows: Sequence[Row]) -> bool:
    return False


def _scalar(key: str, show: Callable[[Any], str]) -> Callable[[Row, Notes], Cell]:
    return lambda row, notes: Cell(text=show(row[key]))


def _time(key: str) -> Callable[[Row, Notes], Cell]:
    return _scalar(key, formatting.milliseconds)


def _size(key: str) -> Callable[[Row, Notes], Cell]:
    return _scalar(key, formatting.mebibytes)


def _percent(key: str) -> Callable[[Row, Notes], Cell]:
    return _scalar(key, formatting.percent)


def _fraction(key: str) -> Callable[[Row, Notes], Cell]:
    def cell(row: Row, notes: Notes) -> Cell:
        interval = formatting.percent_interval(row[f"{key}_low"], row[f"{key}_high"])
        return Cell(text=formatting.percent(row[key]), small=interval)

    return cell


def _format(row: Row, notes: Notes) -> Cell:
    return Cell(text=row["format"], small=row["mark"], notes=notes.numbers(row["note"]))


def _device(row: Row, notes: Notes) -> Cell:
    return Cell(text=row["device"] or ("host" if row["is_reference"] else formatting.UNKNOWN))


def _runtime(row: Row, notes: Notes) -> Cell:
    base = f"{row['runtime_base']} " if row["runtime_base"] else ""
    return Cell(text=row["runtime"] or formatting.UNKNOWN, small=f"{base}{row['runtime_version']}")


def _p50(row: Row, notes: Notes) -> Cell:
    said = notes.numbers(row["runtime_note"])
    if row["latency_p50_ns"] is None:
        return Cell(text=formatting.UNKNOWN, small=_instead_of_p50(row), notes=said)
    ends = [row["latency_p50_low_ns"], row["latency_p50_high_ns"]]
    interval = " to ".join(map(formatting.milliseconds, ends)) if None not in ends else ""
    return Cell(text=formatting.milliseconds(row["latency_p50_ns"]), small=interval, notes=said)


def _instead_of_p50(row: Row) -> str:
    if row["emulated"]:
        counted = row["instructions"]
        return "emulated" if counted is None else f"{formatting.whole(counted)} instructions"
    return f"do not use: {formatting.milliseconds(1e6 * row['invalid_ms'])}" if row["invalid_ms"] is not None else ""


def _quality(row: Row, notes: Notes) -> Cell:
    """`score` is the one that the page begins with; the script shows the one that a reader selects."""
    mean, low, high, _, undefined = row["score"] or [None] * 5
    interval = f"{formatting.decimal(low)} to {formatting.decimal(high)}" if low is not None else ""
    text = formatting.decimal(mean) + (" †" if undefined else "")
    return Cell(text=text, small=interval, changes=bool(row["scores"]))


def _fidelity(row: Row, notes: Notes) -> Cell:
    pills = ("suspect",) if row["fidelity"] == "suspect" else ()
    return Cell(
        text=formatting.percent(row["top1_agreement"]), pills=pills, notes=notes.numbers(row["fidelity_reason"])
    )


def _delegated(row: Row, notes: Notes) -> Cell:
    return Cell(text=f"{row['delegated']} of {row['operators']}") if row["operators"] is not None else Cell()


def _validity(row: Row, notes: Notes) -> Cell:
    pills = [row["verdict"], *([row["status"]] if row["status"] != "done" else [])]
    reasons = notes.numbers(row["verdict_reason"], row["reason"])
    return Cell(pills=tuple(filter(None, pills)), notes=reasons)


def _millijoules(nj: Any) -> str:
    return formatting.decimal(nj / 1e6) if formatting.known(nj) else formatting.UNKNOWN


COLUMNS = (
    Column(key="format", title="Format", cell=_format, number=False, common=True),
    Column(key="device", title="Device", cell=_device, number=False, common=True),
    Column(key="runtime", title="Runtime", cell=_runtime, number=False, common=True, minor=True),
    Column(key="num_threads", title="Threads", cell=_scalar("num_threads", formatting.whole), common=True),
    Column(key="top1", title="Top-1", unit="%", cell=_fraction("top1")),
    Column(key="exact_match", title="Exact match", unit="%", cell=_percent("exact_match"), minor=True),
    Column(key="latency_p50_ns", title="Median latency", unit="ms", cell=_p50),
    Column(key="latency_p90_ns", title="p90", unit="ms", cell=_time("latency_p90_ns"), minor=True),
    Column(key="latency_p99_ns", title="p99", unit="ms", cell=_time("latency_p99_ns"), minor=True),
    Column(key="instructions", title="Instructions", cell=_scalar("instructions", formatting.whole),
           shown=lambda rows: all(row["emulated"] for row in rows)),
    Column(key="energy_nj", title="Energy", unit="mJ", cell=_scalar("energy_nj", _millijoules), minor=True),
    Column(key="quality", title="Explanation", cell=_quality),
    Column(key="flatbuffer_bytes", title="Size", unit="MiB", cell=_size("flatbuffer_bytes"), minor=True),
    Column(key="peak_rss_bytes", title="Memory", unit="MiB", cell=_size("peak_rss_bytes"), minor=True),
    Column(key="top1_agreement", title="Fidelity", unit="% agree", cell=_fidelity,
           shown=lambda rows: any(row["fidelity"] == "suspect" for row in rows)),
    Column(key="top5", title="Top-5", unit="%", cell=_fraction("top5"), shown=_hidden, minor=True),
    Column(key="load_ns", title="Load", unit="ms", cell=_time("load_ns"), shown=_hidden, minor=True),
    Column(key="first_run_ns", title="First run", unit="ms", cell=_time("first_run_ns"), shown=_hidden, minor=True),
    Column(key="sustained_ns", title="Sustained", unit="ms", cell=_time("sustained_ns"), shown=_hidden, minor=True),
    Column(key="operators_delegated", title="Delegated", unit="operators", cell=_delegated, shown=_hidden, minor=True),
    Column(key="verdict", title="Validity", cell=_validity, number=False, common=True),
)  # fmt: skip
