"""Which wheels a board's Python needs, and fetching them on the host, so that a board needs no internet and no pip."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device import files
from harness.errors import DeviceError

OLDEST, NEWEST = (3, 9), (3, 14)
SUPPORTED_PYTHONS = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
# tflite-runtime has wheels up to Python 3.11, fails with NumPy 2, which it does not say, and runs int8 without XNNPACK.
TFLITE = ("numpy>=1.23.2,<2", "tflite-runtime==2.14.0")
LITERT = ("numpy>=1.26", "ai-edge-litert>=2.1.6")
_TFLITE_GLIBC, _LITERT_GLIBC = (2, 34), (2, 27)
_FIRST_LITERT = (3, 10)
MODULES = {  # what an environment must be able to import when it has these packages
    "numpy": "numpy", "tflite-runtime": "tflite_runtime.interpreter", "ai-edge-litert": "ai_edge_litert.interpreter",
}  # fmt: skip


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
    runtime, oldest = (LITERT, _LITERT_GLIBC) if target.python >= _FIRST_LITERT else (TFLITE, _TFLITE_GLIBC)
    if target.glibc < oldest:
        needs = f"{runtime[1].split('=')[0].rstrip('>')} needs {oldest[0]}.{oldest[1]}"
        raise DeviceError(f"glibc {target.glibc[0]}.{target.glibc[1]}: {needs}", hint="a newer system")
    return runtime


def platforms(target: Target) -> list[str]:
    """The manylinux platforms that the board's C library can load, newest first."""
    newest = min(target.glibc[1], 45)
    names = [f"manylinux_2_{minor}_{target.architecture}" for minor in range(newest, 16, -1)]
    return [*names, f"manylinux2014_{target.architecture}"]


def modules(wanted: Sequence[str]) -> list[str]:
    """What an environment with these requirements must be able to import."""
    return [module for name, module in MODULES.items() if any(line.startswith(name) for line in wanted)]


def fetch(wanted: Sequence[str], target: Target, folder: Path) -> list[Path]:
    """Download the wheels with pip, unless the folder has them from the last time, whole. Returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    complete = folder / f"complete-{hashlib.sha256(' '.join(wanted).encode()).hexdigest()[:12]}.json"
    there = _still_whole(complete)
    if there:
        return there
    _download(wanted, target, folder)
    fetched = [_newest(folder, name.split("=")[0].split(">")[0].replace("-", "_")) for name in wanted]
    hashes = {path.name: _sha256(path) for path in fetched}
    files.write_whole(str(complete), json.dumps(hashes).encode())
    return fetched


def _still_whole(complete: Path) -> list[Path]:
    """The wheels that this file lists with their hashes, or none where one of them is not as it was."""
    try:
        hashes = json.loads(complete.read_text())
        whole = all(_sha256(complete.parent / name) == sha256 for name, sha256 in hashes.items())
    except (OSError, ValueError):
        return []
    return [complete.parent / name for name in hashes] if whole else []


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
