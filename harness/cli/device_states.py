"""What `bitlens device list` prints of the state of each device."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from harness.cli import text
from harness.devices.overview import State
from reports.data.aligned import aligned

HEAD = ("name", "kind", "address", "state", "runtime", "free disk", "last seen", "doctor", "board")
HIDDEN = ("name", "kind", "wait_s")


def as_table(states: Sequence[State]) -> str:
    """A line for each device."""
    return aligned(HEAD, [_line(state) for state in states], numbers=("free disk",))


def as_rows(states: Sequence[State]) -> text.Rows:
    """For programs: bytes, and seconds since 1970."""
    return [
        {
            "name": state.row["name"],
            "kind": _kind(state.row),
            "address": _address(state.row),
            "state": state.answer,
            "runtime": state.runtime,
            "free_disk_bytes": state.free_disk_bytes,
            "seen_at": state.past.seen_at,
            "doctor": state.past.doctor,
            "doctor_at": state.past.doctor_at,
            "board": state.board,
        }
        for state in states
    ]


def _line(state: State) -> tuple[str, ...]:
    past = state.past
    doctor = f"{past.doctor} ({_ago(past.doctor_at)})" if past.doctor else "never asked"
    free = f"{state.free_disk_bytes / 2**30:.1f} GiB" if state.free_disk_bytes is not None else ""
    seen = "now" if state.is_reachable else _ago(past.seen_at)
    return (
        *(state.row["name"], _kind(state.row), _address(state.row), state.answer),
        *(state.runtime, free, seen, doctor, state.board),
    )


def _kind(row: dict[str, Any]) -> str:
    from harness.devices.device import DEFAULT_KIND

    return str(row.get("kind", DEFAULT_KIND))


def _address(row: dict[str, Any]) -> str:
    return str(row["host"]) if "host" in row else " ".join(f"{k} {v}" for k, v in row.items() if k not in HIDDEN)


def _ago(at: float | None) -> str:
    """ "3 days ago", in the unit that a person would use."""
    if at is None:
        return "never"
    seconds = max(0.0, time.time() - at)
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
