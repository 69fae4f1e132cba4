"""The energy of one inference, estimated from whatever power sensor a board has: busy power less idle power.

An estimate: the sensors are slow and rough, and what they feed differs from board to board, so the source's name goes
with the number. A board without a sensor gives None.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import telemetry

READING_SECONDS = 0.25  # between two readings: a Pi 5's takes some 10 ms, and none falls into a timed part


@dataclass(frozen=True)
class Source:
    """Something that reads watts."""

    name: str
    read_w: Callable[[], float | None]


def find_source(
    root: Path = telemetry.ROOT, *, command: Callable[..., str | None] = telemetry.run_command
) -> Source | None:
    """The sensor nearest to the whole board: a Pi 5's power chip, or else the hwmon sensor that reads most."""
    if _pmic_watts(command) is not None:
        return Source("Raspberry Pi pmic_read_adc, sum of rails", lambda: _pmic_watts(command))
    sensors = [sensor for sensor in _hwmon_sensors(root) if sensor.read_w() is not None]
    return max(sensors, key=lambda sensor: sensor.read_w() or 0.0, default=None)


def estimate(
    run: Callable[[], Any],
    source: Source | None,
    *,
    idle_s: float,
    busy_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Joules for one `run` beyond what the idle board takes, over `busy_s` seconds of them; None without a source."""
    if source is None:
        return None
    idle = _readings(source, idle_s, lambda: sleep(READING_SECONDS / 2), clock)[0]
    run()  # the first one loads what the later ones find loaded
    busy, runs, seconds = _readings(source, busy_s, run, clock)
    if not idle or not busy:
        return None
    idle_w, busy_w = statistics.mean(idle), statistics.mean(busy)
    return {
        "source": source.name,
        "estimate": True,
        "idle_w": idle_w,
        "busy_w": busy_w,
        "runs": runs,
        "seconds": seconds,
        "joules_per_inference": (busy_w - idle_w) * seconds / runs,
    }


def _readings(
    source: Source, seconds: float, between: Callable[[], Any], clock: Callable[[], float]
) -> tuple[list[float], int, float]:
    """(watts read, calls of `between`, seconds that they took)"""
    watts: list[float] = []
    count, started = 0, clock()
    following = started + READING_SECONDS
    while clock() < started + seconds or count == 0:
        between()
        count += 1
        if clock() >= following:
            value = source.read_w()
            watts += [value] if value is not None else []
            following = clock() + READING_SECONDS
    return watts, count, clock() - started


def _pmic_watts(command: Callable[..., str | None]) -> float | None:
    """A Pi 5 lists the current and the voltage of each rail: "3V3_SYS_A current(1)=0.05A", "3V3_SYS_V volt(9)=3.3V"."""
    text = command("vcgencmd", "pmic_read_adc")
    if not text:
        return None
    values = {
        (name, unit): float(number) for name, unit, number in re.findall(r"(\w+)_([AV]) \w+\(\d+\)=([\d.]+)", text)
    }
    rails = [name for name, unit in values if unit == "A" and (name, "V") in values]
    return sum(values[name, "A"] * values[name, "V"] for name in rails) if rails else None


def _hwmon_sensors(root: Path) -> Iterator[Source]:
    """INA chips and their like: power in microwatts, or else a current in mA and the voltage in mV of one channel."""
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        chip = telemetry.read_text(folder / "name") or folder.name
        for power in sorted(folder.glob("power*_input")):
            yield Source(f"{chip} {power.name}", lambda power=power: _product(1e-6, power))  # type: ignore[misc]
        for current in sorted(folder.glob("curr*_input")):
            voltage = folder / current.name.replace("curr", "in")
            name = f"{chip} {current.name}"
            yield Source(name, lambda current=current, voltage=voltage: _product(1e-6, current, voltage))  # type: ignore[misc]


def _product(scale: float, *paths: Path) -> float | None:
    for path in paths:
        text = telemetry.read_text(path)
        if text is None or not text.lstrip("-").isdigit():
            return None
        scale *= int(text)
    return scale
