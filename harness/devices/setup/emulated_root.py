"""Building the emulated board: an arm64 root out of Debian's packages, aarch64 wheels, and the counting plugin.

Each part is made beside its place and renamed into it, so a build that was stopped is simply run again; what is there
already is not made again.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from device import files
from device.text import printable
from harness.devices.emulated import QEMU, EmulatedDevice, board_folder, own_board_folder
from harness.devices.setup import wheels
from harness.devices.transport.exit_status import in_words
from harness.devices.transport.pipe import PYTHON_ARGUMENTS
from harness.errors import DeviceError

SUITE = "bookworm"  # the Raspberry Pi OS of the day: Python 3.11, glibc 2.36
PACKAGES = "python3,libstdc++6,ca-certificates"
TARGET = wheels.Target(python=(3, 11), architecture="aarch64", glibc=(2, 36))
# Both runtimes: the one that boards with this Python get, and the one that older ones have.
REQUIREMENTS = (*wheels.TFLITE, wheels.LITERT[1])
PLUGIN_SOURCE = Path(__file__).with_name("instructions.c")
PLUGIN_APIS = range(1, 9)  # qemu 7.2 speaks 1; newer ones refuse it, and say so
# The runtimes read the processor's features here, and crash on those of the host. One Cortex-A72 of four.
CPUINFO = """\
processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""
START_SECONDS = 300
Say = Callable[[str], None]


def setup(device: EmulatedDevice, *, python: str = "", say: Say = print) -> Path:
    """Make whatever part of the board is missing. Returns its folder. Raises DeviceError.

    python  ignored: the board has Debian's own.
    """
    _need(QEMU, "apt-get install qemu-user")
    folder = own_board_folder(device.cache)
    parts: list[tuple[str, Path, Callable[[Path], None]]] = [
        (f"an arm64 root from Debian {SUITE}'s packages", folder / "root", _make_root),
        (
            f"aarch64 wheels: {', '.join(REQUIREMENTS)}",
            folder / "site",
            lambda part: _make_site(part, folder / "wheels"),
        ),
        ("the plugin that counts instructions", folder / "instructions.so", _make_plugin),
    ]
    for what, path, make in parts:
        if path.exists():
            say(f"{what}: there already")
            continue
        say(f"{what} -> {path}")
        _make_beside(path, make)
    problem = _problem(device)
    if problem:
        say(f"made again, since its Python does not start: {problem}")
        for _, path, make in parts:
            _make_beside(path, make)
        problem = _problem(device)
    if problem:
        raise DeviceError(f"the emulated board's Python does not start: {problem}")
    return folder


def remove(device: EmulatedDevice, *, python: str = "", say: Say = print) -> None:
    """Undo `setup`. Other emulated processors share the board and lose it too."""
    if not os.path.lexists(board_folder(device.cache)):
        say(f"{device.name}: nothing to remove")
        return
    folder = own_board_folder(device.cache)
    say(f"removing {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    cache = str(folder.parent)
    if os.listdir(cache) == [files.MARKER]:
        files.discard(cache)


def _problem(device: EmulatedDevice) -> str:
    """Why the board's Python cannot import NumPy and the runtimes; empty where it can."""
    with tempfile.NamedTemporaryFile(prefix="bitlens-instructions-") as counters:
        command = list(device.connection(counters=Path(counters.name)).command)
        script = f"import {', '.join(wheels.modules(REQUIREMENTS))}"
        command[-len(PYTHON_ARGUMENTS) :] = ["-c", script]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=START_SECONDS
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {START_SECONDS} s"
    words = printable(done.stderr).strip().splitlines() or [in_words(done.returncode)]
    return words[-1] if done.returncode else ""


def _make_beside(path: Path, make: Callable[[Path], None]) -> None:
    scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix="part-"))
    try:
        make(scratch / path.name)
        os.sync()  # thousands of files: all of them are on the disk before the name that says so
        files.discard(str(path))  # an older one that does not start, now that there is another
        files.move_whole(str(scratch / path.name), str(path))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_root(part: Path) -> None:
    _need("mmdebstrap", "apt-get install mmdebstrap")
    options = ["--variant=extract", "--architectures=arm64", f"--include={PACKAGES}"]
    _run(["mmdebstrap", *options, SUITE, str(part)])
    _compile_modules(part / "usr/lib/python3.11")
    (part / "proc").mkdir(exist_ok=True)
    (part / "proc/cpuinfo").write_text("".join(CPUINFO.format(number=i) for i in range(os.cpu_count() or 1)))


def _make_site(part: Path, downloads: Path) -> None:
    wheels.unpack(wheels.fetch(REQUIREMENTS, TARGET, downloads), part)
    _compile_modules(part)


def _compile_modules(folder: Path) -> None:
    """Bytecode is the same for every processor: made here, it spares each emulated start some seconds.

    Only by the same Python; by another, the board compiles for itself and keeps the result.
    """
    if sys.version_info[:2] == TARGET.python:
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(folder, quiet=2, invalidation_mode=mode)


def _make_plugin(part: Path) -> None:
    """Compiled for the oldest interface that this qemu takes."""
    compiler = os.environ.get("CC", "cc")
    _need(compiler, "apt-get install gcc")
    for api in PLUGIN_APIS:
        _run(
            [
                compiler,
                "-O2",
                "-shared",
                "-fPIC",
                "-fvisibility=hidden",
                f"-DAPI={api}",
                "-o",
                str(part),
                str(PLUGIN_SOURCE),
            ]
        )
        if _is_accepted(part):
            return
    raise DeviceError(
        f"{QEMU} does not accept our plugin", hint=f"{QEMU} --version; 7.2 is known to work, a static one not"
    )


def _is_accepted(plugin: Path) -> bool:
    """qemu loads plugins before the program: with no program to run, only a refused plugin is complained about."""
    counters = plugin.with_name("counters")
    done = subprocess.run(
        [QEMU, "-plugin", f"{plugin},counters={counters}", "/nonexistent"], capture_output=True, text=True, check=False
    )
    return "plugin" not in done.stderr


def _need(program: str, hint: str) -> None:
    if shutil.which(program) is None:
        raise DeviceError(f"the emulated board needs {program}, which is not here", hint=hint)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeviceError(f"{command[0]} failed: {done.stderr.strip()[-1000:]}")
