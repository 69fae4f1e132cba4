"""The power fails at any moment of setup, upload, measurement and result; whatever command comes next works.

The end of qemu is to the board what a power cut is: what its kernel had not written to its disk is lost.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.devices.devices_under_test import FLOAT
from tests.vm.conftest import Rig

pytestmark = pytest.mark.slow

CUTS = int(os.environ.get("BITLENS_VM_CUTS", "20"))
FIRST_SECONDS = 40.0  # how long a command is thought to take before it was seen to its end
UPLOAD_BYTES = 8 << 20

# What is on the disk of a board that has just booted, before any command has looked at it.
LEFT = """\
cd /home/pi/.cache/bitlens 2>/dev/null || { echo nothing; exit 0; }
count() { find "$@" 2>/dev/null | wc -l; }
echo "agent $(count agent -type f) ($(count agent -type f -size 0) empty)," \
    "artifacts $(count artifacts -type f) ($(count artifacts -type f -size 0) empty)," \
    "venv $(count venv -type f) ($(count venv -name '*.so*' -size 0) empty libraries)," \
    "$([ -s venv/bitlens-requirements ] && echo finished || echo unfinished)"
"""


@dataclass(frozen=True)
class Moment:
    """What is under way when the power fails: prepared with what is wholly on the disk, then begun."""

    name: str
    prepare: Callable[[Rig], None]
    command: Callable[[Rig], list[object]]


def forget(*folders: str) -> Callable[[Rig], None]:
    def prepare(rig: Rig) -> None:
        rig.as_root(f"cd /home/pi/.cache/bitlens && rm -rf {' '.join(folders)}; sync")

    return prepare


def bench(rig: Rig, *, device: str = "pi", seconds: float = 0.1, more: int = 0) -> list[object]:
    """A benchmark of an artifact that the board has never seen, where `more` bytes are appended to it."""
    artifact = rig.folder / "artifact.tflite"
    artifact.write_bytes(FLOAT.read_bytes() + (os.urandom(more) if more else b""))
    return ["bench", artifact, "--device", device, "--rounds", 1, "--seconds", seconds]


MOMENTS = (
    Moment("setup", forget("venv"), lambda rig: ["device", "setup", "pi"]),
    Moment("first use", forget("agent", "artifacts"), bench),
    Moment("upload", forget("artifacts"), lambda rig: bench(rig, more=UPLOAD_BYTES)),
    Moment("measurement", forget(""), lambda rig: bench(rig, seconds=15.0)),
    Moment("healing", forget("venv/lib/python*/site-packages/numpy/__init__.py"), bench),
)


def test_the_command_after_a_power_cut_works(rig: Rig, tell: Callable[[str], None]) -> None:
    chance = random.Random(int(os.environ.get("BITLENS_VM_SEED", "0")))
    took = {moment.name: FIRST_SECONDS for moment in MOMENTS}
    for number in range(CUTS):
        moment = MOMENTS[number % len(MOMENTS)]
        # Nobody boots it, so that what is left can be looked at first: there is nothing to wait for.
        rig.plain_board(wait_s=5)
        moment.prepare(rig)
        after_s = chance.uniform(0.0, took[moment.name])
        ended = cut(rig, moment, after_s)
        if ended:
            took[moment.name] = 0.9 * after_s  # so that the next one is cut while it is under way
        rig.switch_on()
        left = rig.as_root(LEFT).strip()
        following = rig.bitlens(*bench(rig, device=rig.device.name))
        setup = f"bitlens device setup {rig.device.name}"
        if "venv 0 " in left and setup in following.stdout:  # nothing had begun there: the hint leads on
            assert rig.bitlens(*setup.split()[1:]).returncode == 0
            following = rig.bitlens(*bench(rig, device=rig.device.name))
        tell(f"cut {number + 1} of {CUTS}, {moment.name}, after {after_s:.1f} s{' (had ended)' * ended}: {left}")
        assert following.returncode == 0, following.stdout + following.stderr
        assert "validity" in following.stdout
        assert "try:" not in following.stdout + following.stderr, following.stdout + following.stderr
        if following.stderr:
            tell(f"    {following.stderr.splitlines()[0]}")
    doctor = rig.bitlens("doctor", rig.device.name)
    assert doctor.returncode == 0, doctor.stdout
    assert f"device setup {rig.device.name}" not in doctor.stdout


def cut(rig: Rig, moment: Moment, after_s: float) -> bool:
    """Cut the power so long after the command began, which ends by itself; whether it had ended before."""
    process = rig.start(*moment.command(rig))
    until = time.monotonic() + after_s
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
    ended = process.poll() is not None
    rig.device.machine().cut_power()
    out, err = process.communicate(timeout=1200)
    assert "Traceback" not in err, err
    assert process.returncode in (0, 1), out + err
    return ended


def test_a_board_without_a_disk_says_so_on_its_console(rig: Rig) -> None:
    """A boot that fails ends, and its sentence quotes the console."""
    machine = rig.device.machine()
    machine.cut_power()
    disk, kept = machine.folder / "disk.img", machine.folder / "disk.kept"
    disk.rename(kept)
    try:
        with Path(disk).open("wb") as file:
            file.truncate(64 << 20)
        failed = rig.bitlens("bench", FLOAT, "--device", rig.device.name, "--rounds", 1, "--seconds", 0)
    finally:
        kept.replace(disk)
    assert failed.returncode == 1
    assert "bitlens: the disk cannot be mounted" in failed.stdout + failed.stderr
    assert str(machine.console) in failed.stdout + failed.stderr
