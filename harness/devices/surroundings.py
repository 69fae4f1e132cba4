"""What a device's clock says, and whether it has only just booted: asked before it measures, with the artifact there.

A board without a battery starts with the time of its last shutdown, and is busy for a while after its start. Both pass,
so they are corrected and waited out, and written down; neither is a fault of the measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.devices.device import Device, is_on_this_machine
from harness.devices.transport.session import Progress, Session
from harness.devices.validity import OTHER_CPUS_SUSPECT, other_cpus

FRESH_BOOT_S = 180.0  # how long after its start a machine may be busy with starting, and is waited for
LOOK_S = 2.0  # over which it is seen how busy the machine is
CLOCK_SKEW_S = 2.0  # less than this may be the way of the answer
STAT_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """stat           the last look at the sensors.
    clock_ahead_s  by how much the device's clock is ahead of this host's; None where it says nothing.
    settled_s      how long a fresh boot was waited out; None for a machine that has been on for a while.
    other_cpus     how many CPUs were busy with other processes in the end, where that was waited for.
    """

    stat: dict[str, Any]
    clock_ahead_s: float | None
    settled_s: float | None = None
    other_cpus: float | None = None

    def corrected(self, conditions: dict[str, Any]) -> dict[str, Any]:
        """The measurement conditions with this host's time where the device's clock is wrong, and what was waited."""
        ahead = self.clock_ahead_s or 0.0
        skew = ahead if abs(ahead) > CLOCK_SKEW_S else 0.0
        ends = {
            when: {**conditions[when], "unix_time": conditions[when]["unix_time"] - skew}
            for when in ("before", "after")
            if "unix_time" in conditions[when]
        }
        return {**conditions, **ends, "clock_ahead_s": self.clock_ahead_s, "settled_s": self.settled_s}


def look_around(
    session: Session,
    *,
    on_progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Surroundings:
    """Ask a device for its sensors and its clock; one that has just booted is waited for until it is quiet."""
    stat, ahead = _stat(session)
    if not _has_just_booted(stat):
        return Surroundings(stat=stat, clock_ahead_s=ahead)
    began = clock()
    while True:
        sleep(LOOK_S)
        before, (stat, ahead) = stat, _stat(session)
        busy = other_cpus({"circumstances": {"before": before, "after": stat}})
        waited = clock() - began
        if on_progress is not None:
            on_progress({"stage": "settling", "waited_s": waited})
        if busy is None or busy <= OTHER_CPUS_SUSPECT or not _has_just_booted(stat):
            return Surroundings(stat=stat, clock_ahead_s=ahead, settled_s=waited, other_cpus=busy)


class Lookout:
    """What a job needs of this: look once the device is there, and correct what it measured.

    A device on this machine has this machine's clock, and starts with it.
    """

    def __init__(self, device: Device, on_progress: Progress | None) -> None:
        self._is_elsewhere, self._on_progress = not is_on_this_machine(device), on_progress
        self._seen: Surroundings | None = None

    def look(self, session: Session) -> None:
        if self._is_elsewhere:
            self._seen = look_around(session, on_progress=self._on_progress)

    def corrected(self, conditions: dict[str, Any]) -> dict[str, Any]:
        return self._seen.corrected(conditions) if self._seen else conditions


def _stat(session: Session) -> tuple[dict[str, Any], float | None]:
    """The sensors, and how far the device's clock is ahead of the middle of question and answer."""
    asked = time.time()
    stat = session.request("stat", deadline_s=STAT_SECONDS)
    middle = (asked + time.time()) / 2
    board_time = stat.get("unix_time")
    return stat, board_time - middle if isinstance(board_time, float) else None


def _has_just_booted(stat: dict[str, Any]) -> bool:
    uptime_s = stat.get("uptime_s")
    return isinstance(uptime_s, float) and uptime_s < FRESH_BOOT_S


def clock_in_words(ahead_s: float) -> str:
    """ "694 days behind", "90 minutes ahead": in the unit that a person would use."""
    size = abs(ahead_s)
    for unit, seconds in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if size >= 2 * seconds or seconds == 1:
            count = round(size / seconds)
            return f"{count} {unit}{'' if count == 1 else 's'} {'ahead' if ahead_s > 0 else 'behind'}"
    raise AssertionError
