"""What delegates took of an artifact: how many of its operators, how much of its arithmetic, and what that is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converters.inspection.macs import multiplications
from converters.inspection.parts import Operator
from converters.inspection.reading import read_file
from converters.schema import DAMAGE, NotAnArtifact
from harness.devices.runtime_choice import RuntimeChoice
from harness.devices.validity import idle_delegates

_INTEGERS = ("INT8", "UINT8")
Record = Mapping[str, Any]


def delegation(
    record: Record, artifact: Path, taken: Mapping[str, Sequence[int] | None] | None, chosen: RuntimeChoice
) -> dict[str, Any]:
    """What a latency record keeps of the operators, by number, that the agent says were `taken`.

    delegation    {"operators", "taken": {delegate: how many}, "macs_share", "outside": {type: how many}, "int8",
                  "int8_taken"}; of the main graph, and None inside for what is not known. None where nothing was said,
                  or the file cannot be read.
    options       what was asked for, as RuntimeChoice.record.
    runtime_note  what to know of a number, such as int8 without XNNPACK; empty for nothing.
    """
    summary = None if taken is None else _summary(artifact, taken)
    kept: dict[str, Any] = {"delegation": summary, "options": chosen.record() if chosen.has_options else None}
    return {**kept, "runtime_note": "; ".join(_notes(record, summary, chosen))}


def _summary(artifact: Path, taken: Mapping[str, Sequence[int] | None]) -> dict[str, Any] | None:
    try:
        operators = read_file(artifact.read_bytes()).graphs[0].operators
        macs = [multiplications(operator) for operator in operators]
    except (NotAnArtifact, IndexError, OSError, *DAMAGE):
        return None
    inside = _union(taken)
    whole = [number for number, operator in enumerate(operators) if _is_int8(operator)]
    return {
        "operators": len(operators),
        "taken": {name: None if numbers is None else len(numbers) for name, numbers in taken.items()},
        "macs_share": _share(macs, inside),
        "outside": _outside(operators, inside),
        "int8": len(whole),
        "int8_taken": None if inside is None else len(inside & set(whole)),
    }


def _union(taken: Mapping[str, Sequence[int] | None]) -> set[int] | None:
    """All operators that delegates run; None where one of them does not say."""
    if any(numbers is None for numbers in taken.values()):
        return None
    return {number for numbers in taken.values() for number in numbers or ()}


def _share(macs: Sequence[int | None], inside: set[int] | None) -> float | None:
    """Of all multiply-accumulates; None where some of them, or who runs them, are not known."""
    known = [count for count in macs if count is not None]
    if inside is None or len(known) < len(macs) or not sum(known):
        return None
    return sum(count for number, count in enumerate(known) if number in inside) / sum(known)


def _outside(operators: Sequence[Operator], inside: set[int] | None) -> dict[str, int] | None:
    if inside is None:
        return None
    return dict(Counter(o.name for number, o in enumerate(operators) if number not in inside).most_common())


def _is_int8(operator: Operator) -> bool:
    """Whether it computes in integers that stand for real numbers: in and out, not from or to floats."""
    activations = [t for t in operator.inputs if t is not None and t.constant is None]
    tensors = [*activations, *operator.outputs]
    return bool(activations) and all(t.type in _INTEGERS and t.scales for t in tensors)


def _notes(record: Record, summary: Record | None, chosen: RuntimeChoice) -> Iterator[str]:
    """Half of the operators in int8 and none of them run by a delegate is slow: another runtime may be quicker."""
    if summary is None:
        return
    mostly_int8 = 2 * summary["int8"] >= summary["operators"] > 0
    if mostly_int8 and summary["int8_taken"] == 0 and chosen.xnnpack is not False:
        yield f"{record.get('runtime_base', record['runtime'])} {record['runtime_version']} ran int8 without XNNPACK"
    for delegate in idle_delegates({"options": chosen.record(), "delegation": summary}):
        yield f"delegate {delegate} took 0 of {summary['operators']} operators"
