"""What state the known devices are in: all are asked at once, and none is waited for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from harness.devices.device import KINDS, Device, make_device
from harness.devices.identity import identity
from harness.devices.last_seen import Remembered, note, remembered
from harness.devices.transport.faults import Away, Unreachable
from harness.errors import BitlensError

PROBE_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`answer` is how a device answered: "reachable", or why not, or "not asked".

    board    model, revision and boot of the machine, by which two of one kind are told apart.
    runtime  the first usable one.
    """

    row: dict[str, Any]
    answer: str
    board: str = ""
    runtime: str = ""
    free_disk_bytes: int | None = None
    past: Remembered

    @property
    def is_reachable(self) -> bool:
        return self.answer == "reachable"


def states(rows: Mapping[str, dict[str, Any]], *, probe: bool = True, seconds: float = PROBE_SECONDS) -> list[State]:
    """The state of every device, in order. An emulated one is not started for this."""
    arrived: SimpleQueue[tuple[str, dict[str, Any]]] = SimpleQueue()
    asked = [name for name, row in rows.items() if probe and not KINDS[make_device(row).kind].is_emulated]
    for name in asked:  # daemons, so that one that hangs keeps nobody
        threading.Thread(target=_ask, args=(make_device(rows[name]), arrived), daemon=True).start()
    answers = _received(arrived, len(asked), seconds)
    for name in asked:
        answers.setdefault(name, {"answer": f"no answer within {seconds:.0f} s"})
    for name, answer in answers.items():
        if answer["answer"] == "reachable":
            note(name, rows[name])
    return [
        State(row=row, past=remembered(name, row), **answers.get(name, {"answer": "not asked"}))
        for name, row in rows.items()
    ]


def _received(arrived: SimpleQueue[tuple[str, dict[str, Any]]], count: int, seconds: float) -> dict[str, Any]:
    until = time.monotonic() + seconds
    answers: dict[str, Any] = {}
    try:
        while len(answers) < count:
            name, answer = arrived.get(timeout=max(until - time.monotonic(), 0.001))
            answers[name] = answer
    except Empty:
        pass
    return answers


def _ask(device: Device, arrived: SimpleQueue[tuple[str, dict[str, Any]]]) -> None:
    arrived.put((device.name, _state_of(device)))


def _state_of(device: Device) -> dict[str, Any]:
    try:
        with device.open() as session:
            hello = session.request("hello", deadline_s=PROBE_SECONDS)
            stat = session.request("stat", deadline_s=PROBE_SECONDS)
    except BitlensError as error:
        word = "away: " if isinstance(error, Away) else "refused: " if isinstance(error, Unreachable) else ""
        return {"answer": word + _reason(error, device.name)}
    usable = [f"{runtime['name']} {runtime['version']}" for runtime in hello["runtimes"] if runtime["usable"]]
    return {
        "answer": "reachable",
        "board": identity(hello["machine"]),
        "runtime": usable[0] if usable else "none",
        "free_disk_bytes": stat["free_disk_bytes"],
    }


def _reason(error: BitlensError, name: str) -> str:
    """The last line that says something: ssh prints its own reason there."""
    lines = str(error).partition("\n  try: ")[0].splitlines()
    return lines[-1].removeprefix(f'device "{name}": ').strip()
