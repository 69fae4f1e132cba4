"""What rows and the page say of delegates, from what records hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from reports.tables.delegation import delegation_facts, xnnpack_by_runtime


def record(*, taken: dict[str, int | None], int8: int = 0, **changes: Any) -> dict[str, Any]:
    outside = None if None in taken.values() else {"SOFTMAX": 5 - sum(count or 0 for count in taken.values())}
    delegation = {"operators": 5, "taken": taken, "macs_share": 0.5, "outside": outside, "int8": int8}
    return {"runtime": "ai-edge-litert", "runtime_version": "2.3.0", "delegation": delegation, **changes}


def latency(**how: Any) -> Any:
    spec = {"device": {"name": "pi4", "kind": "ssh"}}
    return SimpleNamespace(kind="latency", status="done", spec=spec, result=record(**how))


def test_a_row_counts_the_operators_of_each_delegate_and_of_all() -> None:
    facts = delegation_facts(record(taken={"libedgetpu.so.1": 3, "XNNPACK": 1}, runtime_note="n"))
    assert facts == {
        "delegated": "libedgetpu.so.1 3, XNNPACK 1",
        "operators": 5,
        "operators_delegated": 4,
        "macs_delegated": 0.5,
        "runtime_note": "n",
    }


def test_a_runtime_that_does_not_say_how_many_leaves_the_number_empty() -> None:
    facts = delegation_facts(record(taken={"XNNPACK": None}))
    assert (facts["delegated"], facts["operators_delegated"]) == ("XNNPACK some", None)


def test_a_run_of_before_has_empty_fields() -> None:
    assert set(delegation_facts({"delegate": "XNNPACK"}).values()) == {None, ""}


def test_the_page_says_which_runtime_gave_which_type_to_xnnpack() -> None:
    old: dict[str, Any] = {"runtime": "tflite-runtime", "runtime_version": "2.14.0"}
    rows = xnnpack_by_runtime(
        [
            latency(taken={"XNNPACK": 5}, **old),
            latency(taken={"XNNPACK": 0}, int8=5, **old),
            latency(taken={"XNNPACK": 4}, int8=5),
            latency(taken={"XNNPACK": 0}, int8=5),
            latency(taken={"XNNPACK": 0}, runtime="off", runtime_base="tensorflow"),
        ]
    )
    assert rows == [
        {"device": "pi4", "runtime": "tflite-runtime 2.14.0", "float": "with XNNPACK", "int8": "without XNNPACK"},
        {"device": "pi4", "runtime": "ai-edge-litert 2.3.0", "float": "", "int8": "XNNPACK for some artifacts"},
        {"device": "pi4", "runtime": "off: tensorflow 2.3.0", "float": "without XNNPACK", "int8": ""},
    ]
