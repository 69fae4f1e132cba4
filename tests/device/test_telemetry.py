"""Sensors, read from planted files: what is there is read, what is missing is blank and never zero."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
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


DMI = "sys/class/dmi/id/{}"
TREE = "proc/device-tree/{}"
GUESTS = {
    "KVM by libvirt": ({DMI.format("sys_vendor"): "QEMU"}, "qemu"),
    "qemu's arm64 board, with its tree": ({TREE.format("fw-cfg@9020000/compatible"): "qemu,fw-cfg-mmio\0"}, "qemu"),
    "qemu's arm64 board, without": ({TREE.format("compatible"): "linux,dummy-virt\0"}, "a device tree of no board"),
    "Firecracker's arm64 guest": ({TREE.format("compatible"): "linux,dummy-virt\0"}, "a device tree of no board"),
    "Graviton": ({DMI.format("sys_vendor"): "Amazon EC2", DMI.format("product_name"): "c7g.large"}, "amazon"),
    "Graviton without a hypervisor": (
        {DMI.format("sys_vendor"): "Amazon EC2", DMI.format("product_name"): "c7g.metal"}, None
    ),
    "Ampere at Google": ({DMI.format("product_name"): "Google Compute Engine"}, "google"),
    "Hyper-V": ({DMI.format("product_name"): "Virtual Machine"}, "microsoft"),
    "VirtualBox": ({DMI.format("bios_vendor"): "innotek GmbH"}, "oracle"),
    "a Mac's": ({DMI.format("product_name"): "Apple Virtualization Generic Platform"}, "apple"),
    "Windows Subsystem for Linux": ({"proc/sys/kernel/osrelease": "5.15.1-microsoft-standard-WSL2"}, "wsl"),
    "Xen": ({"sys/hypervisor/type": "xen"}, "xen"),
    "Xen on arm64": ({TREE.format("hypervisor/compatible"): "xen,xen-4.17\0xen,xen\0"}, "xen-4.17"),
    "an x86 guest of who knows what": ({"proc/cpuinfo": "flags\t\t: fpu hypervisor sse2\n"}, "unknown hypervisor"),
    "a laptop": ({DMI.format("sys_vendor"): "LENOVO", "proc/cpuinfo": "flags\t\t: fpu sse2\n"}, None),
    "a Jetson": ({TREE.format("compatible"): "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0"}, None),
    "a Rock 5": ({TREE.format("compatible"): "radxa,rock-5b\0rockchip,rk3588\0"}, None),
}  # fmt: skip


def plant(files: dict[str, str], root: Path) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize("what", GUESTS)
def test_a_virtual_machine_is_told_from_a_board(what: str, tmp_path: Path) -> None:
    files, hypervisor = GUESTS[what]
    assert telemetry.virtual_machine(plant(files, tmp_path)) == hypervisor


def test_a_raspberry_pi_is_no_guest_and_no_container(pi: Path) -> None:
    (pi / "proc/device-tree/compatible").write_text("raspberrypi,4-model-b\0brcm,bcm2711\0")
    machine = telemetry.machine(pi)
    assert (machine["virtual_machine"], machine["container"]) == (None, None)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({".dockerenv": ""}, "docker"),
        ({"run/.containerenv": 'engine="podman"\n'}, "podman"),
        ({"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"),
        ({"run/host/container-manager": "podman\n", ".dockerenv": ""}, "podman"),
        ({"proc/1/environ": "TERM=xterm\0container=lxc\0PATH=/bin\0"}, "lxc"),
        ({"run/secrets/kubernetes.io/serviceaccount/token": "..."}, "kubernetes"),
        ({"proc/1/environ": "TERM=xterm\0PATH=/bin\0"}, None),
        ({}, None),
    ],
)
def test_a_container_is_told_by_what_its_manager_leaves(
    files: dict[str, str], kind: str | None, tmp_path: Path
) -> None:
    assert telemetry.container(plant(files, tmp_path)) == kind


@pytest.mark.skipif(shutil.which("systemd-detect-virt") is None, reason="needs systemd-detect-virt")
@pytest.mark.parametrize(
    ("option", "ours"), [("--vm", telemetry.virtual_machine), ("--container", telemetry.container)]
)
def test_systemd_finds_the_same_of_this_machine(option: str, ours: Callable[[], str | None]) -> None:
    done = subprocess.run(["systemd-detect-virt", option], capture_output=True, text=True, check=False)
    assert (ours() is None) == (done.stdout.strip() == "none")


def test_two_boards_of_one_kind_are_told_apart_without_their_serial_numbers(pi: Path, tmp_path: Path) -> None:
    plant({"proc/sys/kernel/random/boot_id": "3d7c66f4\n", "proc/cpuinfo": "Serial\t: 10000000abcd\n"}, pi)
    (pi / "proc/device-tree/system").mkdir()
    (pi / "proc/device-tree/system/linux,revision").write_bytes(bytes.fromhex("00c03114"))
    machine = telemetry.machine(pi)
    assert (machine["revision"], machine["boot_id"]) == ("c03114", "3d7c66f4")
    assert "abcd" not in str(machine)


def test_an_unknown_arm_part_is_given_as_its_number(pi: Path) -> None:
    (pi / "proc/cpuinfo").write_text("CPU implementer : 0x41\nCPU part : 0xfff\n")
    assert telemetry.cpu_model(pi) == "ARM part 0xfff"


def test_processors_that_a_hypervisor_gives_one_name_are_told_apart(pi: Path) -> None:
    (pi / "proc/cpuinfo").write_text("cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n")
    assert telemetry.cpu_model(pi) == "AMD EPYC (family 26, model 2)"


def test_peak_memory_counts_what_was_touched() -> None:
    """Physics: 64 MiB that are written to must be seen, in a process of its own."""
    import sys

    script = (
        "from device import telemetry; a = telemetry.peak_rss_bytes(); b = b'x' * (64 << 20); "
        "print(telemetry.peak_rss_bytes() - a)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert int(done.stdout) == pytest.approx(64 << 20, rel=0.1)
