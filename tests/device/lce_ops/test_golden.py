"""Every golden case of LCE's own interpreter, on every runtime, with every kernel, here and on emulated aarch64."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.native import build

from . import golden_cases
from .conftest import GOLDEN, RUNTIMES, Operators

ALL_AGREE = {"cases": "169"}


@pytest.mark.parametrize("fuse", [0, 1])
def test_golden_cases_agree_with_lce(operators: Operators, kernel: str, fuse: int) -> None:
    runtime = operators.module.__name__.partition(".")[0]
    assert golden_cases.failures(GOLDEN, str(operators.library), runtime, kernel=kernel, fuse=fuse) == ALL_AGREE


@pytest.mark.parametrize("threads", [2, 5])
def test_golden_cases_agree_with_lce_on_several_threads(library: Path, threads: int) -> None:
    pytest.importorskip("ai_edge_litert")
    assert golden_cases.failures(GOLDEN, str(library), "ai_edge_litert", num_threads=threads) == ALL_AGREE


@pytest.mark.parametrize(
    ("runtime", "kernel"),
    [
        ("tflite_runtime", "neon"),
        pytest.param("ai_edge_litert", "neon", marks=pytest.mark.slow),
        pytest.param("tflite_runtime", "portable", marks=pytest.mark.slow),
        pytest.param("ai_edge_litert", "portable", marks=pytest.mark.slow),
    ],
)
def test_golden_cases_agree_with_lce_on_aarch64(runtime: str, kernel: str) -> None:
    assert runtime in RUNTIMES
    script = Path(golden_cases.__file__)
    output = run_on_aarch64(script, GOLDEN, aarch64_library(), runtime, kernel)
    assert json.loads(output.splitlines()[-1]) == ALL_AGREE


def aarch64_library() -> Path:
    try:
        return build.library("aarch64")
    except build.NoCompiler as problem:
        pytest.skip(str(problem))


def run_on_aarch64(*command: object) -> str:
    root, qemu = os.environ.get("BITLENS_ARM64_ROOT"), shutil.which("qemu-aarch64")
    if not root or not qemu:
        pytest.skip(
            "needs qemu-aarch64 and BITLENS_ARM64_ROOT: a Debian arm64 root with Python, NumPy and the runtimes"
        )
    python = next(path for path in sorted(Path(root, "usr/bin").glob("python3.*")) if path.name[8:].isdigit())
    line = [qemu, "-cpu", "cortex-a72", "-L", root, str(python), *map(str, command)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
