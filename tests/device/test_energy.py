"""Energy, from planted sensors and a clock of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import energy

PMIC = """\
   3V7_WL_SW_A current(0)=0.50000000A
   3V3_SYS_A current(1)=0.20000000A
   3V7_WL_SW_V volt(8)=4.00000000V
   3V3_SYS_V volt(9)=3.00000000V
   EXT5V_V volt(24)=5.10000000V
"""


def no_command(*arguments: str) -> None:
    return None


def plant(root: Path, **files: str) -> Path:
    folder = root / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return root


def test_a_pi_5_sums_its_rails() -> None:
    source = energy.find_source(command=lambda *arguments: PMIC)
    assert source is not None
    assert source.read_w() == pytest.approx(0.5 * 4.0 + 0.2 * 3.0)
    assert "pmic_read_adc" in source.name


def test_hwmon_power_is_read_in_microwatts(tmp_path: Path) -> None:
    source = energy.find_source(plant(tmp_path, name="ina219", power1_input="2500000\n"), command=no_command)
    assert source is not None
    assert source.name == "ina219 power1_input"
    assert source.read_w() == pytest.approx(2.5)


def test_hwmon_current_and_voltage_give_power_and_the_largest_rail_is_the_board(tmp_path: Path) -> None:
    files = {"curr1_input": "400", "in1_input": "5000", "curr2_input": "100", "in2_input": "5000"}
    source = energy.find_source(plant(tmp_path, name="ina3221", **files), command=no_command)
    assert source is not None
    assert source.name == "ina3221 curr1_input"
    assert source.read_w() == pytest.approx(2.0)


def test_a_board_without_a_sensor_gives_none_and_runs_nothing(tmp_path: Path) -> None:
    assert energy.find_source(tmp_path, command=no_command) is None
    assert energy.estimate(pytest.fail, None, idle_s=1, busy_s=1) is None


def test_idle_power_is_subtracted() -> None:
    now, busy = [0.0], [False]

    def run() -> None:
        busy[0] = True
        now[0] += 0.1

    def sleep(seconds: float) -> None:
        now[0] += seconds

    source = energy.Source("planted", lambda: 5.0 if busy[0] else 2.0)
    result = energy.estimate(run, source, idle_s=2, busy_s=10, clock=lambda: now[0], sleep=sleep)
    assert result is not None
    assert (result["idle_w"], result["busy_w"]) == (2.0, 5.0)
    assert result["joules_per_inference"] == pytest.approx(3.0 * 0.1)
    assert result["estimate"] is True
