"""What the machine says about itself: what it is (`machine`) and how it is doing now (`snapshot`, `sample`).

Everything is read from files and one Raspberry Pi command. A source that is missing is None, never zero: "cold" is
not "no thermometer". `root` is where the files are looked for; tests plant their own.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path("/")
_ARM_CORES = {  # Arm Ltd. (implementer 0x41) part numbers of boards' cores, from the Arm Main ID Register tables
    0xD03: "Cortex-A53", 0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72",
    0xD09: "Cortex-A73", 0xD0A: "Cortex-A75", 0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1", 0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE", 0xD44: "Cortex-X1", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710",
}  # fmt: skip
_HYPERVISORS = {  # what DMI calls the makers of virtual machines, and what systemd-detect-virt calls these
    "KVM": "kvm", "OpenStack": "kvm", "KubeVirt": "kvm", "Amazon EC2": "amazon", "QEMU": "qemu", "VMware": "vmware",
    "VMW": "vmware", "innotek GmbH": "oracle", "VirtualBox": "oracle", "Xen": "xen", "Bochs": "bochs",
    "HVM domU": "xen", "Parallels": "parallels", "BHYVE": "bhyve", "Hyper-V": "microsoft",
    "Virtual Machine": "microsoft", "Apple Virtualization": "apple", "Google Compute Engine": "google",
    "Standard PC": "qemu",
}  # fmt: skip


def machine(root: Path = ROOT) -> dict[str, Any]:
    """What does not change while the machine is on."""
    return {
        "hostname": platform.node(),
        "pid": os.getpid(),
        "board": board_model(root),
        "revision": board_revision(root),
        "virtual_machine": virtual_machine(root),
        "container": container(root),
        "cpu": cpu_model(root),
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "system": _release(root),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "python": platform.python_version(),
        "executable": sys.executable,
        "numpy": np.__version__,
        "memory_bytes": memory_bytes(root, "MemTotal"),
        "boot_id": read_text(root / "proc/sys/kernel/random/boot_id"),
    }


def snapshot(root: Path = ROOT) -> dict[str, Any]:
    """How the machine is doing: taken before and after a measurement, never within its timed part."""
    return {
        "unix_time": time.time(),
        "monotonic_ns": time.monotonic_ns(),
        "uptime_s": _first_float(root / "proc/uptime"),
        "load_average": _first_float(root / "proc/loadavg"),
        "available_memory_bytes": memory_bytes(root, "MemAvailable"),
        "swap_used_bytes": _swap_used(root),
        "governors": _governors(root),
        "clocks_khz": clocks_khz(root),
        "temperatures_c": temperatures_c(root),
        "throttled_bits": throttled_bits(root),
        "cpu_seconds": _cpu_seconds(root),
        "own_cpu_seconds": time.process_time(),
    }


def sample(root: Path = ROOT) -> dict[str, Any]:
    """The cheap part of a snapshot, for in between two timed inferences: a few small files, no command."""
    return {"monotonic_ns": time.monotonic_ns(), "clocks_khz": clocks_khz(root), "temperatures_c": temperatures_c(root)}


def peak_rss_bytes(root: Path = ROOT) -> int | None:
    """The process's highest resident memory. VmHWM, because ru_maxrss counts the parent's memory before exec too."""
    kib = _table(root / "proc/self/status").get("VmHWM", "").split()
    return int(kib[0]) * 1024 if kib else None


def page_faults() -> int:
    """Major page faults of this process so far: each one waited for the disk."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def board_model(root: Path = ROOT) -> str | None:
    """The name that the maker gave the board: device tree on ARM, DMI on a PC."""
    text = read_text(root / "proc/device-tree/model") or read_text(root / "sys/devices/virtual/dmi/id/product_name")
    return text.strip("\0 \n") or None if text else None


def board_revision(root: Path = ROOT) -> str | None:
    """A Raspberry Pi's code of model, maker, memory and revision, such as c03114; it names no single board."""
    word = _table(root / "proc/cpuinfo").get("Revision")
    if word is None and (root / "proc/device-tree/system/linux,revision").is_file():
        word = (root / "proc/device-tree/system/linux,revision").read_bytes().hex().lstrip("0")
    return word or None


def virtual_machine(root: Path = ROOT) -> str | None:
    """Which hypervisor this is a guest of, by systemd-detect-virt's sources and names; None on a machine of its own."""
    tree, dmi = root / "proc/device-tree", root / "sys/class/dmi/id"
    if "microsoft" in (read_text(root / "proc/sys/kernel/osrelease") or "").lower():
        return "wsl"
    if any(tree.glob("fw-cfg@*")) or "qemu," in (read_text(tree / "compatible") or ""):
        return "qemu"
    for text in (read_text(tree / "hypervisor/compatible"), read_text(root / "sys/hypervisor/type")):
        if text:
            return text.strip("\0").split("\0")[0].split(",")[-1]
    makers = [read_text(dmi / name) or "" for name in ("product_name", "sys_vendor", "board_vendor", "bios_vendor")]
    found = next((_HYPERVISORS[key] for key in _HYPERVISORS for maker in makers if maker.startswith(key)), None)
    if found and not makers[0].endswith(".metal"):  # as Amazon calls machines without a hypervisor
        return found
    if "dummy-virt" in (read_text(tree / "compatible") or ""):
        return "a device tree of no board"
    flags = _table(root / "proc/cpuinfo").get("flags", "").split()
    return "unknown hypervisor" if "hypervisor" in flags and not found else None


def container(root: Path = ROOT) -> str | None:
    """Which kind of container this process is in, by what its manager leaves there; None outside of one."""
    for name in ("run/host/container-manager", "run/systemd/container"):
        if read_text(root / name):
            return read_text(root / name)
    words = (read_text(root / "proc/1/environ") or "").split("\0")  # root alone may read it
    named = next((word.partition("=")[2] for word in words if word.startswith("container=")), None)
    marks = {".dockerenv": "docker", "run/.containerenv": "podman", "dev/lxd/sock": "lxc", "dev/.lxc": "lxc"}
    marks["run/secrets/kubernetes.io"] = "kubernetes"
    return named or next((kind for mark, kind in marks.items() if (root / mark).exists()), None)


def cpu_model(root: Path = ROOT) -> str | None:
    """The processor's name; ARM kernels give numbers instead, which are looked up."""
    cpuinfo = _table(root / "proc/cpuinfo")
    if "cpu family" in cpuinfo:  # virtual machines have one name for x86 processors of several years
        return f"{cpuinfo.get('model name')} (family {cpuinfo['cpu family']}, model {cpuinfo.get('model')})"
    if "CPU part" not in cpuinfo:
        return cpuinfo.get("model name")
    implementer, part = int(cpuinfo.get("CPU implementer", "0x0"), 16), int(cpuinfo["CPU part"], 16)
    return _ARM_CORES.get(part, f"ARM part {part:#x}") if implementer == 0x41 else f"part {implementer:#x}:{part:#x}"


def temperatures_c(root: Path = ROOT) -> dict[str, float] | None:
    """Degrees Celsius by sensor name; None where there is no thermometer."""
    readings = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        name, value = read_text(zone / "type"), read_text(zone / "temp")
        if name and value and value.lstrip("-").isdigit():
            readings[f"{zone.name}:{name}"] = int(value) / 1000
    return readings or None


def clocks_khz(root: Path = ROOT) -> list[int] | None:
    """The clock of every CPU now, as the kernel believes it."""
    texts = [read_text(path / "cpufreq/scaling_cur_freq") for path in _cpu_folders(root)]
    return [int(text) for text in texts if text and text.isdigit()] or None


def throttled_bits(root: Path = ROOT) -> int | None:
    """Raspberry Pi firmware's word. Bits 0-3: under-voltage, capped, throttled, soft limit now; 16-19: since boot."""
    files = sorted((root / "sys/devices/platform").glob("soc*/soc*:firmware/get_throttled"))  # a Pi 5's has an address
    text = read_text(files[0]) if files else run_command("vcgencmd", "get_throttled") if root == ROOT else None
    try:
        return int(text.split("=")[-1], 16) if text else _under_voltage(root)
    except ValueError:  # vcgencmd's words for a user who is not in the group "video"
        return _under_voltage(root)


def _under_voltage(root: Path) -> int | None:
    """The one of these bits that everybody may read; where it is not set, nothing is known of the others."""
    for name in (root / "sys/class/hwmon").glob("hwmon*/name"):
        if read_text(name) == "rpi_volt" and read_text(name.with_name("in0_lcrit_alarm")) == "1":
            return 0x1
    return None


def _governors(root: Path) -> list[str] | None:
    texts = [read_text(path / "cpufreq/scaling_governor") for path in _cpu_folders(root)]
    return sorted({text for text in texts if text}) or None


def _cpu_folders(root: Path) -> list[Path]:
    return sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*"), key=lambda path: int(path.name[3:]))


def _cpu_seconds(root: Path) -> dict[str, float] | None:
    """Seconds that all CPUs together have been busy, idle, or stolen by a hypervisor, since boot."""
    words = (read_text(root / "proc/stat") or "").split("\n")[0].split()
    if len(words) < 9 or words[0] != "cpu":
        return None
    user, nice, system, idle, waiting, interrupt, soft_interrupt, stolen = (int(word) for word in words[1:9])
    ticks = os.sysconf("SC_CLK_TCK")
    busy = user + nice + system + interrupt + soft_interrupt
    return {"busy": busy / ticks, "idle": (idle + waiting) / ticks, "stolen": stolen / ticks}


def memory_bytes(root: Path, name: str, *, of: str = "proc/meminfo") -> int | None:
    """A line of /proc/meminfo, or of another file of its form such as proc/self/status."""
    kib = _table(root / of).get(name, "").split()
    return int(kib[0]) * 1024 if kib else None


def _swap_used(root: Path) -> int | None:
    total, free = memory_bytes(root, "SwapTotal"), memory_bytes(root, "SwapFree")
    return total - free if total is not None and free is not None else None


def _release(root: Path) -> str | None:
    lines = (line.split("=", 1) for line in (read_text(root / "etc/os-release") or "").splitlines() if "=" in line)
    return {name: value.strip('"') for name, value in lines}.get("PRETTY_NAME")


def _table(path: Path) -> dict[str, str]:
    """`name : value` lines, the first of each name."""
    rows: dict[str, str] = {}
    for line in (read_text(path) or "").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            rows.setdefault(name.strip(), value.strip())
    return rows


def _first_float(path: Path) -> float | None:
    words = (read_text(path) or "").split()
    return float(words[0]) if words else None


def read_text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None


def run_command(*arguments: str) -> str | None:
    program = shutil.which(arguments[0])
    if program is None:
        return None
    try:
        done = subprocess.run([program, *arguments[1:]], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
