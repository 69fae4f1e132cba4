"""Raspberry Pis of four kinds that throttle, replayed: from what their firmware says to what a latency is worth.

The situations in throttling/ are composed from the documented bits; its README says so too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from device import telemetry
from harness.devices.validity import judge
from tests.harness.devices.test_validity import spoiled

SITUATIONS = sorted((Path(__file__).parent / "throttling").glob("*.json"))


def files_of(board: dict[str, Any], end: dict[str, Any], root: Path) -> Path:
    """The files of the board's kernel at one end of a measurement."""
    files = {
        "proc/device-tree/model": f"{board['board']}\0",
        "proc/cpuinfo": f"processor\t: 0\nCPU revision\t: 3\n\nRevision\t: {board['revision']}\nModel\t: a Pi\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{end['temperature']}\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": f"{end['clock_khz']}\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("path", SITUATIONS, ids=lambda path: path.stem)
def test_a_latency_is_worth_what_the_firmware_says_of_its_time(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = json.loads(path.read_text())
    ends = {}
    for when in ("before", "after"):
        root = files_of(board, board[when], tmp_path / when)
        monkeypatch.setattr(telemetry, "ROOT", root)  # the machine itself, which has the command
        monkeypatch.setattr(telemetry, "run_command", lambda *words, when=when: board[when]["vcgencmd"].strip())
        ends[when] = telemetry.snapshot(root)
    assert telemetry.machine(tmp_path / "after")["board"] == board["board"]
    assert telemetry.machine(tmp_path / "after")["revision"] == board["revision"]
    sensors = ("throttled_bits", "temperatures_c", "clocks_khz")
    changes = {f"{when}__{name}": ends[when][name] for when in ends for name in sensors}
    validity = judge(spoiled(**changes))
    assert validity.level == board["expected"]["level"]
    assert validity.reason == (f"throttled: {board['expected']['reason']}" if board["expected"]["reason"] else "")


def test_every_kind_of_pi_is_there_and_says_that_it_is_composed() -> None:
    assert {path.stem.split("-")[0] for path in SITUATIONS} == {"pi3", "pi4", "pi5", "zero2"}
    assert all("composed" in json.loads(path.read_text())["origin"] for path in SITUATIONS)


def test_the_kernels_file_is_read_where_the_firmware_has_an_address(tmp_path: Path) -> None:
    """As on a Pi 5, whose peripherals are behind another bus."""
    file = tmp_path / "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text("50001\n")
    assert telemetry.throttled_bits(tmp_path) == 0x50001


@pytest.mark.parametrize(("alarm", "bits"), [("1", 0x1), ("0", None)])
def test_the_voltage_alarm_is_read_where_nothing_else_may_be(alarm: str, bits: int | None, tmp_path: Path) -> None:
    """It is for everybody, and knows one of the bits: unset, it does not say that the board was not throttled."""
    for name, text in {"name": "rpi_volt", "in0_lcrit_alarm": alarm}.items():
        path = tmp_path / "sys/class/hwmon/hwmon1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    assert telemetry.throttled_bits(tmp_path) == bits
