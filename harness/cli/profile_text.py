"""What `bitlens bench --profile` prints: types of operators, then operators, the most expensive first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.cli.inspection_text import MOST_EXPENSIVE, tensor_names
from harness.cli.shares import percentages
from harness.cli.text import milliseconds as _ms
from reports.data.aligned import aligned

Row = Mapping[str, Any]


def profile_lines(profile: Mapping[str, Any], *, in_order: bool = False) -> Iterator[str]:
    """Lines of a block of `bench`; with `in_order`, every operator as the graph has them, not types."""
    rows = profile["operators"]
    yield f"  profile   {_ms(profile['total_ns'])} by {profile['method']}, delegate {profile['delegate']}"
    table = _in_order(rows) if in_order else _by_type(rows)
    yield from (f"    {line}" for line in table.splitlines())
    if not in_order:
        yield from _expensive(rows)


def _by_type(rows: Sequence[Row]) -> str:
    of_type: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        of_type[row["name"]].append(row["ns"])
    types = sorted(of_type.items(), key=lambda pair: -sum(pair[1]))
    shares = percentages([sum(times) for _, times in types])
    lines = [(name, str(len(times)), _ms(sum(times)), share) for (name, times), share in zip(types, shares)]
    return aligned(("operator", "count", "time", "share"), lines, numbers=("count", "time", "share"))


def _expensive(rows: Sequence[Row]) -> Iterator[str]:
    shares = percentages([row["ns"] for row in rows])
    costly = sorted(zip(rows, shares), key=lambda pair: -pair[0]["ns"])
    yield "    most expensive"
    for row, share in costly[:MOST_EXPENSIVE]:
        yield f"    {_ms(row['ns']):>13}  {share:>7}  {row['name']} {tensor_names(row['outputs'])}".rstrip()


def _in_order(rows: Sequence[Row]) -> str:
    shares = percentages([row["ns"] for row in rows])
    lines = [
        (str(number), row["name"], _ms(row["ns"]), share, tensor_names(row["outputs"]))
        for number, (row, share) in enumerate(zip(rows, shares))
    ]
    return aligned(("number", "operator", "time", "share", "writes"), lines, numbers=("number", "time", "share"))
