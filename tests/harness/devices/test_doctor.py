"""Every rule of the doctor, on a healthy Raspberry Pi but for one thing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from harness.devices.device import make_device
from harness.devices.doctor import Facts, diagnose, examine
from harness.native import build
from tests.harness.devices.devices_under_test import SshServer

MACHINE = {
    "board": "Raspberry Pi 4 Model B",
    "hostname": "pi4",
    "cpu": "Cortex-A72",
    "cpus": 4,
    "bits": 64,
    "architecture": "aarch64",
    "system": "Debian GNU/Linux 12",
    "python": "3.11.2",
    "libc": "glibc 2.36",
    "virtual_machine": None,
    "container": None,
}
STAT = {
    "governors": ["ondemand"],
    "throttled_bits": 0,
    "temperatures_c": {"cpu": 45.0},
    "free_disk_bytes": 10 << 30,
    "available_memory_bytes": 2 << 30,
    "load_average": 0.1,
    "lock_holder": None,
    "lockable": True,
    "lock_problem": None,
    "uptime_s": 5000.0,
}
RUNTIME = {
    "name": "ai-edge-litert", "version": "2.3.0", "usable": True, "reason": "", "xnnpack": ["float", "int8"],
}  # fmt: skip


def healthy(**changes: Any) -> Facts:
    machine, stat = copy.deepcopy(MACHINE), copy.deepcopy(STAT)
    rest = {"runtimes": [RUNTIME], "clock_ahead_s": 0.1, "kind": "ssh", "name": "pi4"}
    rest |= {"settled_s": None, "other_cpus": None}
    for name, value in changes.items():
        next(table for table in (machine, stat, rest) if name in table)[name] = value
    return Facts(machine=machine, stat=stat, **rest)


def test_a_healthy_board_has_nothing_that_would_spoil_a_run() -> None:
    findings = diagnose(healthy())
    assert {finding.severity for finding in findings} == {"ok"}
    assert findings[-1].what == "nothing found that would spoil a run"


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"bits": 32}, "error", "32-bit"),
        ({"python": "3.8.10"}, "error", "Python 3.8.10: expected 3.9 to 3.14"),
        ({"libc": "glibc 2.19"}, "error", "glibc 2.19"),
        ({"libc": "musl 1.2"}, "error", "C library musl"),
        ({"runtimes": []}, "error", "no usable TFLite runtime"),
        (
            {
                "runtimes": [
                    RUNTIME,
                    {**RUNTIME, "usable": False, "reason": "tflite-runtime needs numpy < 2, found 2.1"},
                ]
            },
            "warning",
            "numpy < 2",
        ),
        ({"runtimes": [{**RUNTIME, "xnnpack": ["float"]}]}, "warning", "no runtime here gives int8 to XNNPACK"),
        ({"governors": ["powersave"]}, "warning", "powersave"),
        ({"throttled_bits": 0x50001}, "warning", "under-voltage now"),
        ({"throttled_bits": 0x10000}, "warning", "under-voltage since"),
        ({"throttled_bits": 0x4}, "warning", "throttled now"),
        ({"temperatures_c": {"cpu": 85.0}}, "warning", "hot: cpu at 85"),
        ({"free_disk_bytes": 100 << 20}, "warning", "low disk: 100 MiB"),
        ({"available_memory_bytes": 100 << 20}, "warning", "low memory"),
        ({"load_average": 3.0}, "warning", "busy: load 3.0 on 4 CPUs"),
        ({"lock_holder": "ada from laptop"}, "warning", "measured now by ada"),
        ({"lockable": False, "lock_problem": "it is a link"}, "error", "lock cannot be used: it is a link"),
        ({"free_disk_bytes": 3 << 20}, "error", "disk full: 3 MiB free"),
        ({"settled_s": 120.0, "other_cpus": 1.5, "uptime_s": 170.0}, "warning", "still busy 170 s after its start"),
        ({"virtual_machine": "kvm"}, "warning", "a virtual machine (kvm)"),
        ({"clock_ahead_s": -60002740.0}, "warning", "its clock is 694 days behind"),
        ({"clock_ahead_s": -3600.0}, "warning", "its clock is 60 minutes behind"),
    ],
)
def test_each_rule_finds_its_fault_and_says_what_to_try(changes: dict[str, Any], severity: str, words: str) -> None:
    faults = [finding for finding in diagnose(healthy(**changes)) if finding.severity != "ok"]
    assert [finding.severity for finding in faults] == [severity]
    assert words in faults[0].what
    assert faults[0].hint


def test_no_hint_names_another_device_than_this_one_or_sends_the_reader_back_here() -> None:
    for changes in ({"runtimes": []}, {"free_disk_bytes": 0}, {"free_disk_bytes": 100 << 20}):
        hints = [finding.hint for finding in diagnose(healthy(**changes)) if finding.hint]
        assert all("pi4" in hint and "NAME" not in hint and "doctor" not in hint for hint in hints)


def test_a_fresh_boot_that_came_to_rest_is_not_called_busy() -> None:
    facts = healthy(load_average=3.9, uptime_s=40.0, settled_s=12.0, other_cpus=0.02)
    assert {finding.severity for finding in diagnose(facts)} == {"ok"}


def test_a_container_is_named_and_is_no_fault() -> None:
    findings = diagnose(healthy(container="docker"))
    assert {finding.severity for finding in findings} == {"ok"}
    assert any("in a container (docker)" in finding.what for finding in findings)


def test_missing_sensors_are_not_a_finding() -> None:
    blank = dict.fromkeys(("governors", "throttled_bits", "temperatures_c", "available_memory_bytes", "load_average"))
    assert all(finding.severity == "ok" for finding in diagnose(healthy(**blank)))


def test_this_host_is_examined() -> None:
    findings = examine(make_device({"name": "this-host", "kind": "local"}))
    assert any("runtime ai-edge-litert" in finding.what for finding in findings)


def test_a_device_that_cannot_be_reached_is_a_finding(ssh_server: SshServer) -> None:
    row = {"name": "pi4", "kind": "ssh", "host": "board-with-wrong-key", "config": str(ssh_server.config)}
    findings = examine(make_device(row))
    assert [finding.severity for finding in findings] == ["error"]
    assert "Permission denied" in findings[0].what
    assert findings[0].hint.startswith("ssh ")


def test_a_board_that_was_not_set_up_is_a_finding(ssh_server: SshServer, tmp_path: object) -> None:
    row = {
        "name": "pi4",
        "kind": "ssh",
        "host": "board",
        "config": str(ssh_server.config),
        "cache": f"{tmp_path}/cache",
    }
    findings = examine(make_device(row))
    assert findings[0].what == 'device "pi4" has not been set up'
    assert findings[0].hint == "bitlens device setup pi4"


def test_each_runtime_says_what_it_gives_to_xnnpack() -> None:
    findings = diagnose(healthy(runtimes=[RUNTIME, {**RUNTIME, "name": "tflite-runtime", "xnnpack": ["float"]}]))
    said = [finding.what for finding in findings]
    assert "runtime ai-edge-litert 2.3.0, XNNPACK for float and int8" in said
    assert "runtime tflite-runtime 2.3.0, XNNPACK for float" in said


def test_a_host_that_cannot_build_our_operators_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_compiler(target: str) -> list[str]:
        raise build.NoCompiler(f"no C++ compiler for {target} is installed")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "compiler_for", no_compiler)
    monkeypatch.setattr(build, "PREBUILT", tmp_path)
    found = [finding for finding in diagnose(healthy()) if finding.severity == "warning"]
    assert [finding.what for finding in found] == ["no C++ compiler for aarch64 is installed"]
