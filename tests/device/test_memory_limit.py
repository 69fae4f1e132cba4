"""The limit on what a job may ask for: where it comes from, that it holds, and what is said when it is too little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from device import memory

MIB = 1 << 20


def machine(
    root: Path, *, total_mib: int, available_mib: int, has_mib: int, cgroup: tuple[str, str] | None = None
) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: {total_mib * 1024} kB\nMemAvailable: {available_mib * 1024} kB\n")
    (root / "proc/self/status").write_text(f"Name: python\nVmData:\t{has_mib * 1024} kB\n")
    if cgroup:
        (root / "sys/fs/cgroup").mkdir(parents=True)
        for name, value in zip(("memory.max", "memory.current"), cgroup):
            (root / "sys/fs/cgroup" / name).write_text(value + "\n")
    return root


def test_the_default_is_what_is_available_less_a_sixteenth_of_the_machine(tmp_path: Path) -> None:
    root = machine(tmp_path, total_mib=8192, available_mib=6000, has_mib=100)
    assert memory.default_bytes(root) == (6000 - 512 + 100) * MIB


def test_a_small_board_keeps_enough_for_numpy_and_a_runtime(tmp_path: Path) -> None:
    root = machine(tmp_path, total_mib=512, available_mib=200, has_mib=60)
    assert memory.default_bytes(root) == memory.LEAST_BYTES


def test_a_container_has_what_its_cgroup_leaves_it(tmp_path: Path) -> None:
    cgroup = (str(2048 * MIB), str(48 * MIB))
    root = machine(tmp_path, total_mib=8192, available_mib=6000, has_mib=100, cgroup=cgroup)
    assert memory.default_bytes(root) == (2000 - 512 + 100) * MIB
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert memory.default_bytes(root) == (6000 - 512 + 100) * MIB


def test_a_machine_that_says_nothing_has_no_default_limit(tmp_path: Path) -> None:
    assert memory.default_bytes(tmp_path) is None


def in_a_process(script: str) -> str:
    command = [sys.executable, "-c", f"from device import memory\n{script}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("allocate", ["bytearray(1 << 30)", "np.ones(1 << 27)", "[0] * (1 << 28)"])
def test_no_allocation_goes_beyond_the_limit(allocate: str) -> None:
    script = (
        f"import numpy as np\nheld = memory.limit(512)\ntry:\n    {allocate}\n"
        "except MemoryError as error:\n    print(held >> 20, memory.exceeded(error, held))"
    )
    said = in_a_process(script)
    assert said.startswith("512 needed more than the 512 MiB that a job may have here")
    assert said.endswith("memory_mib in the device's row sets another limit")


def test_the_limit_cannot_be_raised_again_and_mapped_files_are_free(tmp_path: Path) -> None:
    (tmp_path / "weights").touch()
    with (tmp_path / "weights").open("r+b") as file:
        file.truncate(2 << 30)  # a hole
    script = (
        "import mmap, resource\nmemory.limit(512)\n"
        f"file = open({str(tmp_path / 'weights')!r}, 'rb')\n"
        "print(len(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) >> 30)\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_DATA)\nprint(soft == hard == 512 << 20)"
    )
    assert in_a_process(script).split() == ["2", "True"]


def test_a_lower_limit_of_the_system_stays() -> None:
    script = (
        "import resource\nresource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20))\n"
        "print(memory.limit(512) >> 20, memory.limit(None) >> 20)"
    )
    assert in_a_process(script) == "300 300"
