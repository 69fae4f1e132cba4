"""The operators under AddressSanitizer, UBSan and ThreadSanitizer, with mutated models, and their options reader under
libFuzzer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device.lce_ops import build as lce_build
from harness.native import build

from .conftest import RUNTIMES

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SOURCES = lce_build.HERE
CHECKS = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]


def compiler(name: str) -> str:
    path = shutil.which(name)
    if not path:
        pytest.skip(f"needs {name}")
    return path


def run(command: list[object], **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def checked_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("asan") / "liblce_ops.so"
    lce_build.build(library, [compiler("g++")], extra_flags=CHECKS, strip=False)
    return library


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_good_and_bad_graphs_under_address_and_undefined_behaviour_sanitizers(
    checked_library: Path, runtime: str
) -> None:
    pytest.importorskip(runtime)
    output = run([sys.executable, HERE / "stress.py", checked_library, runtime, 1], **checking())
    assert "bad models" in output


@pytest.mark.slow
def test_convolutions_that_the_host_calls_directly_under_the_same_sanitizers(
    checked_library: Path, tmp_path: Path
) -> None:
    """Their own tests, in a process that finds libraries with checks where it would find those without."""
    for made in (build.host_library(), build.floats_library()):
        place = tmp_path / "bitlens" / "lce_ops" / made.parent.name / made.name
        if made.name == build.LIBRARY:
            place.parent.mkdir(parents=True)
            shutil.copy(checked_library, place)
        else:
            flags = [*build.FLOATS_FLAGS, *CHECKS]
            lce_build.build(place, [compiler("g++")], files=build.FLOATS, extra_flags=flags, strip=False)
    names = ("sign_convolution", "float_convolution", "dense_gradient", "residual_sum", "judged_pixels")
    tests = [ROOT / f"tests/harness/native/test_{name}.py" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    output = run(command, XDG_CACHE_HOME=str(tmp_path), **checking())
    assert "passed" in output
    assert "skipped" not in output


def checking() -> dict[str, str]:
    """The environment in which Python loads libraries with checks."""
    preload = [
        run([compiler("g++"), f"-print-file-name={name}"]).strip()
        for name in ("libasan.so", "libubsan.so", "libstdc++.so")
    ]
    return {
        "LD_PRELOAD": ":".join(preload),
        # Python itself leaks; the address space of a refused, huge size must not be asked for.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:max_allocation_size_mb=500",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }


def test_no_task_of_the_pool_is_lost_or_races(tmp_path: Path) -> None:
    program = tmp_path / "stress_pool"
    flags = ["-std=c++17", "-O1", "-g", "-pthread", "-fsanitize=thread", f"-I{SOURCES}"]
    run([compiler("g++"), *flags, HERE / "stress_pool.cc", SOURCES / "pool.cc", SOURCES / "trace.cc", "-o", program])
    run([*unrandomised(), program])


def unrandomised() -> list[object]:
    """ThreadSanitizer of GCC 12 does not start where addresses are randomised over more bits than it knows of."""
    return ["setarch", "-R"] if shutil.which("setarch") else []


@pytest.mark.slow
def test_interpreters_on_several_threads_do_not_race(tmp_path: Path) -> None:
    """The whole library, through its C interface, on a runtime of our own: the real ones are not instrumented."""
    program, library = tmp_path / "stress_delegate", tmp_path / "liblce_ops.so"
    flags = ["-O1", "-g", "-fsanitize=thread"]
    lce_build.build(library, [compiler("g++")], extra_flags=flags, strip=False)
    sources = [HERE / "stress_delegate.cc", library, f"-I{SOURCES}", f"-Wl,-rpath,{tmp_path}"]
    run([compiler("g++"), "-std=c++17", "-pthread", *flags, *sources, "-o", program])
    assert "all results as from one thread" in run([*unrandomised(), program])


@pytest.mark.slow
def test_options_reader_under_fuzzing(tmp_path: Path) -> None:
    program = tmp_path / "fuzz_flexmap"
    flags = ["-std=c++17", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", f"-I{SOURCES}"]
    run([compiler("clang++"), *flags, HERE / "fuzz_flexmap.cc", SOURCES / "flexmap.cc", "-o", program])
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    from .graphs import conv_options, flexbuffer

    for width in (1, 2, 4, 8):
        (corpus / f"width{width}").write_bytes(flexbuffer(conv_options(64), width))
    run([program, corpus, "-max_total_time=30", "-max_len=512", "-print_final_stats=1"])
