"""Every rule of the doctor, on a healthy Raspberry Pi but for one thing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.devices.device import make_device
from harness.devices.doctor import Facts, diagnose, examine
from tests.harness.devices.devices_under_test import SshServer

MACHINE = {
    "board": "Raspberry Pi 4 Model B",
    "hostname": "pi4",
    "cpu": "Cortex-A72",
    "cpus": 4,
    "bits": 64,
    "system": "Debian GNU/Linux 12",
    "python": "3.11.2",
    "libc": "glibc 2.36",
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
}
RUNTIME = {"name": "tflite-runtime", "version": "2.14.0", "usable": True, "reason": ""}


def healthy(**changes: Any) -> Facts:
    machine, stat = copy.deepcopy(MACHINE), copy.deepcopy(STAT)
    rest = {"runtimes": [RUNTIME], "clock_ahead_s": 0.1, "kind": "ssh"}
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
        ({"clock_ahead_s": -3600.0}, "warning", "clock skew: its clock is -3600 s"),
    ],
)
def test_each_rule_finds_its_fault_and_says_what_to_try(changes: dict[str, Any], severity: str, words: str) -> None:
    faults = [finding for finding in diagnose(healthy(**changes)) if finding.severity != "ok"]
    assert [finding.severity for finding in faults] == [severity]
    assert words in faults[0].what
    assert faults[0].hint


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
