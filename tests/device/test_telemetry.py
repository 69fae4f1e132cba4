"""Sensors, read from planted files: what is there is read, what is missing is blank and never zero."""

from __future__ import annotations

from pathlib import Path

import pytest

from device import telemetry


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """The files of a Raspberry Pi 4."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\nCPU part\t: 0xd03\n",
        "proc/meminfo": "MemTotal:  4000 kB\nMemAvailable:  3000 kB\nSwapTotal: 100 kB\nSwapFree: 40 kB\n",
        "proc/loadavg": "0.25 0.1 0.0 1/100 1234\n",
        "proc/uptime": "1000.5 3000.0\n",
        "proc/stat": "cpu  100 50 50 1000 100 0 0 20 0 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "600000\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "ondemand\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_raspberry_pi_is_described(pi: Path) -> None:
    machine = telemetry.machine(pi)
    assert machine["board"] == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine["cpu"] == "Cortex-A72"
    assert machine["memory_bytes"] == 4000 * 1024


def test_a_snapshot_reads_every_sensor(pi: Path) -> None:
    snapshot = telemetry.snapshot(pi)
    assert snapshot["temperatures_c"] == {"thermal_zone0:cpu-thermal": 48.312}
    assert snapshot["clocks_khz"] == [1500000, 600000]
    assert snapshot["governors"] == ["ondemand"]
    assert snapshot["throttled_bits"] == 0x50005
    assert snapshot["swap_used_bytes"] == 60 * 1024
    assert snapshot["load_average"] == 0.25
    assert snapshot["cpu_seconds"] == {"busy": 2.0, "idle": 11.0, "stolen": 0.2}


def test_missing_sources_are_blank_and_never_zero(tmp_path: Path) -> None:
    snapshot = telemetry.snapshot(tmp_path)
    for source in (
        "load_average",
        "available_memory_bytes",
        "governors",
        "clocks_khz",
        "temperatures_c",
        "throttled_bits",
    ):
        assert snapshot[source] is None
    assert snapshot["cpu_seconds"] is None
    assert telemetry.peak_rss_bytes(tmp_path) is None
    assert telemetry.machine(tmp_path)["board"] is None


def test_a_thermometer_that_cannot_be_read_is_left_out(pi: Path) -> None:
    (pi / "sys/class/thermal/thermal_zone0/temp").write_text("N/A")
    assert telemetry.snapshot(pi)["temperatures_c"] is None


def test_an_unknown_arm_part_is_given_as_its_number(pi: Path) -> None:
    (pi / "proc/cpuinfo").write_text("CPU implementer : 0x41\nCPU part : 0xfff\n")
    assert telemetry.cpu_model(pi) == "ARM part 0xfff"


def test_peak_memory_counts_what_was_touched() -> None:
    """Physics: 64 MiB that are written to must be seen, in a process of its own."""
    import subprocess
    import sys

    script = (
        "from device import telemetry; a = telemetry.peak_rss_bytes(); b = b'x' * (64 << 20); "
        "print(telemetry.peak_rss_bytes() - a)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert int(done.stdout) == pytest.approx(64 << 20, rel=0.1)
