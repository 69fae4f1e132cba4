"""Which wheels a board's Python needs, and fetching them on the host, so that a board needs no internet and no pip."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DeviceError

OLDEST, NEWEST = (3, 9), (3, 14)
SUPPORTED_PYTHONS = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
# tflite-runtime has wheels up to Python 3.11 and fails with NumPy 2, which it does not say.
_TFLITE = ("numpy>=1.23.2,<2", "tflite-runtime==2.14.0")
_LITERT = ("numpy>=1.26", "ai-edge-litert>=2.1.6")
_LAST_TFLITE = (3, 11)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What decides which wheel fits: Python (3, 11), "aarch64", glibc (2, 36)."""

    python: tuple[int, int]
    architecture: str
    glibc: tuple[int, int]
    bits: int = 64


def requirements(target: Target) -> tuple[str, ...]:
    """NumPy and the TFLite runtime for this Python. Raises DeviceError for a board that cannot have one."""
    if target.bits != 64 or target.architecture not in ("aarch64", "x86_64"):
        problem = f"no TFLite runtime for a {target.bits}-bit {target.architecture} system"
        raise DeviceError(problem, hint="install a 64-bit system; 32-bit boards are not supported")
    if not OLDEST <= target.python <= NEWEST:
        problem = f"Python {target.python[0]}.{target.python[1]}: expected {SUPPORTED_PYTHONS}"
        raise DeviceError(problem, hint="python = in the device's row")
    if target.python <= _LAST_TFLITE and target.glibc >= (2, 34):
        return _TFLITE
    if target.python >= (3, 10):
        return _LITERT
    raise DeviceError(f"glibc {target.glibc[0]}.{target.glibc[1]}: tflite-runtime needs 2.34", hint="a newer system")


def platforms(target: Target) -> list[str]:
    """The manylinux platforms that the board's C library can load, newest first."""
    newest = min(target.glibc[1], 45)
    names = [f"manylinux_2_{minor}_{target.architecture}" for minor in range(newest, 16, -1)]
    return [*names, f"manylinux2014_{target.architecture}"]


def fetch(wanted: Sequence[str], target: Target, folder: Path) -> list[Path]:
    """Download the wheels with pip, unless the folder has them from the last time. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / f"complete-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}"
    if not complete.exists():
        _download(wanted, target, folder)
        complete.touch()
    return [_newest(folder, name.split("=")[0].split(">")[0].replace("-", "_")) for name in wanted]


def _download(wanted: Sequence[str], target: Target, folder: Path) -> None:
    command = [_python_with_pip(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", f"{target.python[0]}.{target.python[1]}", "--dest", str(folder)]
    command += [word for platform in platforms(target) for word in ("--platform", platform)]
    done = subprocess.run([*command, *wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DeviceError(
            f"wheels for Python {target.python[0]}.{target.python[1]}: {reason}", hint="the host needs internet"
        )


def _python_with_pip() -> str:
    """An environment may have been made without pip; the interpreter beneath it usually has one."""
    candidates = [sys.executable, str(getattr(sys, "_base_executable", "")), shutil.which("python3") or ""]
    for python in filter(None, candidates):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return python
    raise DeviceError("fetching wheels needs pip, which is not here", hint="apt-get install python3-pip")


def unpack(wheels: Sequence[Path], folder: Path) -> None:
    """A wheel is a zip of what goes into site-packages; ours need no scripts."""
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def _newest(folder: Path, name: str) -> Path:
    return max(folder.glob(f"{name}-*.whl"), key=lambda path: path.stat().st_mtime)
