"""The library finds the instructions of the CPU itself, whichever compiler built it: else it computes in slow steps."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device.lce_ops.build import HERE, find_compiler
from tests.device.lce_ops.conftest import NEEDED, cpu_flags

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="asks x86 processors")

PROGRAM = """
#include <cstdio>
#include "cpu.h"
int main() {
  const lce::Cpu& it = lce::cpu();
  std::printf("%d %d %d %d %d", it.avx2, it.fma, it.avx512f, it.avx512, it.first_zen);
}
"""


ZIGLANG = [sys.executable, "-m", "ziglang", "c++", "-target", "x86_64-linux-gnu.2.28"]


@pytest.fixture(scope="module", params=["own", "ziglang"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prints what it found, each as 0 or 1."""
    compiler = find_compiler() if request.param == "own" else ZIGLANG
    if not compiler or (request.param == "ziglang" and importlib.util.find_spec("ziglang") is None):
        pytest.skip(f"no C++ compiler: {request.param}")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "ask.cc").write_text(PROGRAM)
    options = ["-O2", "-std=c++17"]
    command = [*compiler, *options, f"-I{HERE}", str(folder / "ask.cc"), "-o", str(folder / "ask")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "ask"


def asked(command: list[str]) -> list[bool]:
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [word == "1" for word in answer.split()]


def test_it_finds_what_the_kernel_says_of_this_cpu(program: Path) -> None:
    flags = cpu_flags()
    expected = ["avx2" in flags, "fma" in flags, "avx512f" in flags, flags >= NEEDED["avx512"]]
    assert asked([str(program)])[:4] == expected


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("Nehalem", [False, False, False]),
        ("SandyBridge", [False, False, False]),  # AVX alone is not enough
        ("Haswell", [True, True, False]),
        ("EPYC", [True, True, True]),  # the first Zen
        ("EPYC-Rome", [True, True, False]),
    ],
)
def test_it_knows_other_processors(program: Path, cpu: str, expected: list[bool]) -> None:
    emulator = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("needs qemu-x86_64: apt-get install qemu-user")
    avx2, fma, avx512f, avx512, first_zen = asked([emulator, "-cpu", cpu, str(program)])
    assert [avx2, fma, first_zen] == expected
    assert [avx512f, avx512] == [False, False]  # QEMU has neither
