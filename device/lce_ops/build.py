"""Compiles the operators into one shared library, with any C++17 compiler for 64-bit x86 or ARM.

Needs Python's standard library only, so that a board with a compiler can build for itself:

    python build.py liblce_ops.so [compiler and its flags ...]
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Contraction would round once where the operators' definition rounds twice.
FLAGS = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-pthread"]
WARNINGS = ["-Wall", "-Wextra", "-Wno-unknown-pragmas"]
LINK_FLAGS = ["-shared", "-pthread", "-Wl,-z,defs"]

# Files for one instruction set each; on another architecture they compile to nothing.
X86_FLAGS = {
    "float_isa_avx2.cc": ["-mavx2", "-mfma"],
    "float_isa_avx512.cc": ["-mavx512f"],
    "isa_avx2.cc": ["-mavx2"],
    "isa_avx512.cc": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vpopcntdq"],
}


class BuildError(Exception):
    """The compiler said no; the text is its own."""


def sources() -> list[Path]:
    return sorted(HERE.glob("*.cc"))


def source_hash() -> str:
    """Names what is built: sources, headers and flags. Two libraries with one hash behave alike."""
    digest = hashlib.sha256(repr([FLAGS, LINK_FLAGS, X86_FLAGS]).encode())
    for path in sorted([*HERE.glob("*.cc"), *HERE.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def find_compiler() -> list[str] | None:
    """This machine's own C++ compiler as the start of a command line; None if there is none."""
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("g++", "clang++", "c++"):
        if shutil.which(name):
            return [name]
    return None


def build(
    library: Path,
    compiler: Sequence[str],
    *,
    files: Sequence[Path] | None = None,
    extra_flags: Sequence[str] = (),
    strip: bool = True,
    jobs: int = os.cpu_count() or 1,
) -> None:
    """Writes `library` whole or not at all, from these files: by default, the operators'. Raises BuildError with the
    compiler's words."""
    library = Path(library)
    library.parent.mkdir(parents=True, exist_ok=True)
    x86 = _is_x86(compiler)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:

        def compile_one(source: Path) -> str:
            target = str(Path(scratch) / (source.stem + ".o"))
            special = X86_FLAGS.get(source.name, []) if x86 else []
            _run([*compiler, *FLAGS, *WARNINGS, *special, *extra_flags, "-c", str(source), "-o", target])
            return target

        with ThreadPoolExecutor(jobs) as pool:
            objects = list(pool.map(compile_one, sources() if files is None else files))
        linked = Path(scratch) / library.name
        _run([*compiler, *objects, *LINK_FLAGS, *(["-s"] if strip else []), *extra_flags, "-o", str(linked)])
        os.replace(linked, library)


def _is_x86(compiler: Sequence[str]) -> bool:
    """Asks the compiler for its target's macros, which both GCC and Clang tell."""
    return "__x86_64__" in _run([*compiler, "-dM", "-E", "-x", "c++", os.devnull])


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"the compiler {command[0]} cannot be started: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def main(arguments: list[str]) -> int:
    compiler = arguments[1:] or find_compiler()
    if not arguments or not compiler:
        print(
            "usage: build.py LIBRARY [compiler and its flags ...]; no C++ compiler found" if arguments else __doc__,
            file=sys.stderr,
        )
        return 2
    try:
        build(Path(arguments[0]), compiler)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
