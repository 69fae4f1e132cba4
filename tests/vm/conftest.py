"""A virtual machine for these tests alone, and `bitlens` with it. An image has to be there: building one is setup's.

BITLENS_VM_RELEASE  bookworm (the default) or trixie.
BITLENS_VM_CUTS     how many power cuts, 20 by default.
BITLENS_VM_KEEP     where it is set, the machine stays for the next time, which saves its set-up.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device import files
from harness.devices import vm
from harness.devices.setup import board as board_setup
from harness.devices.setup import vm_image
from harness.devices.transport.bootstrap import CACHE
from harness.devices.vm import VmDevice
from harness.errors import DeviceError

ROOT = Path(__file__).parents[2]
RELEASE = os.environ.get("BITLENS_VM_RELEASE", "bookworm")
COMMAND_SECONDS = 1200.0
DEVICE = VmDevice(name=f"tests-{RELEASE}", release=RELEASE)


@dataclass(frozen=True)
class Rig:
    """The machine, and a folder with the user's table that names it as a virtual machine and as a plain ssh board."""

    device: VmDevice
    folder: Path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "harness.cli.main", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(self.folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def bitlens(self, *arguments: object, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
        """A command that ends within so many seconds, and without a traceback."""
        process = self.start(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def as_root(self, command: str) -> str:
        """What the board's root says to it. The board is on."""
        done = vm.as_root(self.device, command, seconds=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def switch_on(self) -> None:
        vm.switched_on(self.device, say=lambda line: None)

    def plain_board(self, **keys: object) -> None:
        """Let "pi" be the same machine as any board over ssh, which nobody boots; keys are those of its row."""
        self.switch_on()
        config = self.device.machine().folder / "ssh_config"
        facts = {"host": "board", "config": str(config), **keys}
        lines = [f"{key} = {value!r}".replace("'", '"') for key, value in facts.items()]
        self.write_table("\n".join(["[[device]]", 'name = "pi"', 'kind = "ssh"', *lines]))

    def write_table(self, more: str = "") -> None:
        (self.folder / "bitlens").mkdir(exist_ok=True)
        own = f'[[device]]\nname = "{self.device.name}"\nkind = "vm"\nrelease = "{self.device.release}"\n'
        (self.folder / "bitlens/devices.toml").write_text(own + more + "\n")


@pytest.fixture(scope="session")
def machine() -> Iterator[VmDevice]:
    """Made of the image, set up, and removed in the end; the image stays."""
    image = vm.vm_folder(CACHE) / RELEASE
    if not vm.is_whole(image):
        pytest.skip(f"NOT RUN on a booted board: there is no image of one; bitlens device setup vm-{RELEASE}")
    try:
        vm.require_programs(DEVICE.name)
    except DeviceError as problem:
        pytest.skip(f"NOT RUN on a booted board: {problem}")
    folder = DEVICE.machine().folder
    if not vm.is_whole(folder):
        vm_image.copy(image, folder)
    board_setup.setup(vm.switched_on(DEVICE), say=lambda line: None)
    yield DEVICE
    DEVICE.machine().cut_power()
    if "BITLENS_VM_KEEP" not in os.environ:
        files.discard(str(folder))


@pytest.fixture
def rig(machine: VmDevice, tmp_path: Path) -> Rig:
    made = Rig(device=machine, folder=tmp_path)
    made.write_table()
    made.switch_on()
    return made


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A line for whoever watches the suite, shown at once."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {text}", end="", flush=True)

    return line
