"""bitlens on a board that boots: set up, examined, measured, and struck by what strikes boards.

The first three tests are what CI runs, with one power cut, where there is an image.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.devices import vm
from harness.devices.vm import VmDevice
from harness.store import Store, StoredUnit
from tests.harness.devices.devices_under_test import FLOAT
from tests.vm.conftest import Rig

pytestmark = pytest.mark.slow

EXPERIMENT = """
seed = 0
models = ["planted-float", "planted-binary"]
formats = ["fp32", "int8", "lce"]
devices = ["{device}"]
dataset = {{ kind = "planted" }}
conversion = {{ calibration_images = 8 }}
accuracy = {{ images = 4 }}
latency = {{ rounds = {rounds}, min_runs = 5, min_seconds = {seconds}, threads = [1] }}
"""
BENCH = ("bench", FLOAT, "--rounds", 1, "--seconds", 0.1, "--device")
# Bytes wait this long in each direction, as on a bad line; between ssh and the board.
SLOW_LINE = """\
import os, select, socket, sys, threading, time
line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def pump(read, write):
    waiting = []
    while True:
        ready = select.select([read], [], [], max(0, waiting[0][0] - time.monotonic()) if waiting else None)[0]
        if ready:
            piece = os.read(read, 65536)
            waiting.append((time.monotonic() + 0.3, piece))
        while waiting and waiting[0][0] <= time.monotonic():
            piece = waiting.pop(0)[1]
            if not piece:
                os._exit(0)
            os.write(write, piece)
threading.Thread(target=pump, args=(line.fileno(), 1), daemon=True).start()
pump(0, line.fileno())
"""


def run(rig: Rig, device: str, *, rounds: int = 1, seconds: float = 0.1) -> Path:
    """An experiment file for `bitlens run`."""
    file = rig.folder / "board.toml"
    file.write_text(EXPERIMENT.format(device=device, rounds=rounds, seconds=seconds))
    return file


def units(rig: Rig) -> list[StoredUnit]:
    with Store(rig.folder / "runs/board") as store:
        return list(store.planned_units())


def test_setup_again_finds_all_there_and_doctor_knows_what_it_is(rig: Rig) -> None:
    again = rig.bitlens("device", "setup", rig.device.name)
    assert again.returncode == 0, again.stderr
    assert "there already" in again.stdout
    told = rig.bitlens("doctor", rig.device.name)
    assert told.returncode == 0, told.stdout
    assert "linux,dummy-virt: Cortex-A72, 1 CPUs, Debian GNU/Linux" in told.stdout
    assert "emulated: gives predictions and memory, never a latency" in told.stdout


def test_bench_has_no_time_but_memory(rig: Rig) -> None:
    done = rig.bitlens(*BENCH, rig.device.name)
    assert done.returncode == 0, done.stdout
    assert "MiB at most" in done.stdout
    assert "p50" not in done.stdout
    assert "invalid: emulated: time under an emulator is not a latency" in done.stdout


def test_an_experiment_gives_accuracy_and_no_latency(rig: Rig) -> None:
    done = rig.bitlens("run", run(rig, rig.device.name), "--workers", 0)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {unit.status for unit in units(rig)} == {"done"}
    latencies = [unit.result for unit in units(rig) if unit.kind == "latency"]
    assert {unit.spec["format"] for unit in units(rig) if unit.kind == "latency"} == {"fp32", "int8", "lce"}
    assert all(each["emulated"] and each["samples_ns"] == [] and each["peak_rss_bytes"] > 1e7 for each in latencies)


def test_a_reboot_in_mid_run_costs_one_unit_at_most(rig: Rig) -> None:
    rig.plain_board(wait_s=900)
    process = rig.start("run", run(rig, "pi", rounds=2, seconds=2.0), "--workers", 0)
    wait_until(lambda: measuring(rig), process.poll)
    vm.as_root(rig.device, "systemctl --no-block reboot")
    _, err = process.communicate(timeout=1800)
    assert "Traceback" not in err, err
    statuses = [unit.status for unit in units(rig)]
    assert statuses.count("done") >= len(statuses) - 1, err[-3000:]
    assert set(statuses) <= {"done", "failed"}


def measuring(rig: Rig) -> bool:
    """Whether somebody holds the board's measuring lock."""
    lock = "/tmp/bitlens-measuring.lock"
    asked = f"test -e {lock} && ! runuser -u {vm.USER} -- flock -n {lock} true && echo held"
    return vm.as_root(rig.device, asked).stdout == "held\n"


def wait_until(condition: Callable[[], bool], ended: Callable[[], object], *, seconds: float = 900) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert ended() is None
        assert time.monotonic() < until
        time.sleep(0.5)


def test_a_full_disk_is_called_one_and_room_is_all_that_it_takes(rig: Rig) -> None:
    (rig.folder / "new.tflite").write_bytes(FLOAT.read_bytes() + os.urandom(1 << 20))
    new = ("bench", rig.folder / "new.tflite", *BENCH[2:])
    rig.as_root("fallocate -l $(( $(df --output=avail -B1 / | tail -n 1) )) /full; sync; df / | tail -n 1")
    try:
        full = rig.bitlens(*new, rig.device.name)
    finally:
        rig.as_root("rm -f /full")
    assert full.returncode == 1
    assert "disk full" in full.stdout or "needs" in full.stdout, full.stdout
    assert rig.bitlens(*new, rig.device.name).returncode == 0


@pytest.fixture
def small(rig: Rig) -> Iterator[VmDevice]:
    """The same board with 400 MiB."""
    table = rig.folder / "bitlens/devices.toml"
    rig.device.machine().cut_power()
    table.write_text(table.read_text() + "ram_mib = 400\n")
    yield VmDevice(name=rig.device.name, release=rig.device.release, ram_mib=400)
    rig.device.machine().cut_power()


def test_400_mib_are_enough_for_a_small_model(rig: Rig, small: VmDevice) -> None:
    done = rig.bitlens(*BENCH, small.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MiB at most" in done.stdout


def test_a_line_with_300_ms_of_delay_is_only_slow(rig: Rig) -> None:
    (rig.folder / "line.py").write_text(SLOW_LINE)
    config = (rig.device.machine().folder / "ssh_config").read_text()
    proxy = f"    ProxyCommand {sys.executable} {rig.folder}/line.py %p\n"
    (rig.folder / "slow").write_text(config + proxy)
    rig.plain_board(config=str(rig.folder / "slow"))
    done = rig.bitlens(*BENCH, "pi")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "p50" in done.stdout


def test_a_stopped_sshd_is_said_and_switching_off_and_on_heals_it(rig: Rig) -> None:
    rig.as_root("systemctl stop ssh.socket ssh.service 2>/dev/null; true")
    refused = rig.bitlens(*BENCH, rig.device.name)
    assert refused.returncode == 1
    assert f'device "{rig.device.name}": ' in refused.stdout
    off = rig.bitlens("device", "stop", rig.device.name)
    assert "does not shut down" in off.stdout
    assert rig.bitlens(*BENCH, rig.device.name).returncode == 0


def test_a_frozen_board_is_given_up_and_goes_on_when_it_thaws(rig: Rig) -> None:
    rig.plain_board(wait_s=0)
    pid = rig.device.machine().pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        frozen = rig.bitlens(*BENCH, "pi")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert frozen.returncode == 1
    assert 'device "pi": ' in frozen.stdout
    assert rig.bitlens(*BENCH, "pi").returncode == 0
