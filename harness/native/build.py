"""Where our shared libraries come from: the wheel that was installed, or the first compiler here that can build them,
once per target and source. There are two: the LCE operators, and what the host computes in floats (`FLOATS`).

Knows compilers and targets; how the sources are compiled is `device/lce_ops/build.py`, which a board can run as well.

    python -m harness.native.build       builds what a wheel carries (`make wheel`)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from device import files
from device.lce_ops import build as lce_build
from harness.errors import BitlensError, ConfigError, nearest

LIBRARY = "liblce_ops.so"
FLOATS_LIBRARY = "libfloats.so"
FLOATS = (*sorted(Path(__file__).parent.glob("*.cc")), *(lce_build.HERE / name for name in ("pool.cc", "trace.cc")))
FLOATS_HEADERS = (
    Path(__file__).with_name("library.h"),
    *(lce_build.HERE / name for name in ("cpu.h", "export.h", "pool.h", "trace.h")),
)
# A product and its sum may be rounded once there; glibc before 2.34 has dlopen in a library of its own.
FLOATS_FLAGS = ["-ffp-contract=fast", "-Wno-psabi", "-ldl"]
TARGETS = ("x86_64", "aarch64")
# What a wheel carries, named by source as in the cache: a file left by other sources is never taken.
PREBUILT = lce_build.HERE / "prebuilt"
# Raspberry Pi OS and Debian since 10: what ziglang is told to link against.
OLDEST_GLIBC = "2.28"
ELSEWHERE = "XDG_CACHE_HOME with a folder that can be written"


class NoCompiler(BitlensError):
    """Nothing here can compile for the target; runs continue with the runtimes that exist."""


def host_target() -> str:
    """This machine's architecture by the name that `library` takes."""
    return {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def host_library() -> Path:
    return library(host_target())


def library(target: str) -> Path:
    """The operators for `target` ("x86_64" or "aarch64"), built if this version of them never was and none came along.

    Raises ConfigError for an unknown target, NoCompiler, or BitlensError with the compiler's words.
    """
    return _found_or_built(target, lce_build.source_hash(), LIBRARY)


def source_of(target: str) -> str:
    """Where the operators for `target` would come from, in words; builds nothing. Raises ConfigError or NoCompiler."""
    place = _place(target, lce_build.source_hash(), LIBRARY)
    if (PREBUILT / place).exists() or _is_as_it_was_built(cache_directory() / place):
        return "built already"
    compiler = compiler_for(target)
    return f"built here when needed, by {'ziglang' if 'ziglang' in compiler else Path(compiler[0]).name}"


def floats_library(target: str = "") -> Path:
    """Convolutions and gradients of floats for `target`, by default this machine; found, built and refused as the
    operators are."""
    return _found_or_built(target or host_target(), _floats_hash(), FLOATS_LIBRARY)


def loads(load: Callable[[], object]) -> bool:
    """Whether a function that loads one of these libraries succeeds."""
    try:
        load()
    except (BitlensError, OSError):
        return False
    return True


def prebuild(folder: Path) -> None:
    """Puts both libraries for every target into an emptied folder, from where a wheel takes them."""
    shutil.rmtree(folder, ignore_errors=True)
    for target in TARGETS:
        for source_hash, name in ((lce_build.source_hash(), LIBRARY), (_floats_hash(), FLOATS_LIBRARY)):
            path = folder / f"{target}-{source_hash}" / name
            _build(path, target)
            print(path)


def _place(target: str, source_hash: str, name: str) -> Path:
    if target not in TARGETS:
        raise ConfigError(f'the LCE operators have no target "{target}"', hint=nearest(target, TARGETS))
    return Path(f"{target}-{source_hash}") / name


def _found_or_built(target: str, source_hash: str, name: str) -> Path:
    place = _place(target, source_hash, name)
    if (PREBUILT / place).exists():
        return PREBUILT / place
    path = _own_cache_directory() / place
    if not _is_as_it_was_built(path):
        _build(path, target)
        remember(path)
    return path


def _own_cache_directory() -> Path:
    """What lies there runs in this process and on boards, so it must be ours alone. Raises BitlensError."""
    folder = cache_directory()
    try:
        claimed = files.claim_cache(str(folder.parent), adopt=True)
        return Path(files.private_folder(os.path.join(claimed, folder.name)))
    except OSError as error:
        raise BitlensError(f"this host's cache of compiled libraries: {error}", hint=ELSEWHERE) from error


def remember(path: Path) -> None:
    """Keep a library's hash beside it, and both from others: it is taken from the cache only as long as it has it."""
    path.chmod(0o700)
    files.sync(str(path))
    files.write_whole(str(_hash_beside(path)), hashlib.sha256(path.read_bytes()).hexdigest().encode())


def _is_as_it_was_built(path: Path) -> bool:
    try:
        sha256 = _hash_beside(path).read_text()
    except (OSError, UnicodeDecodeError):
        return False
    return files.matches(str(path), sha256)


def _hash_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _floats_hash() -> str:
    read = b"".join(path.read_bytes() for path in (*FLOATS, *FLOATS_HEADERS))
    return hashlib.sha256(repr(FLOATS_FLAGS).encode() + read).hexdigest()[:16]


def _build(path: Path, target: str) -> None:
    try:
        if path.name == LIBRARY:
            lce_build.build(path, compiler_for(target))
        else:
            lce_build.build(path, compiler_for(target), files=FLOATS, extra_flags=FLOATS_FLAGS)
    except lce_build.BuildError as error:
        raise BitlensError(f"{path.name} does not compile for {target}: {error}") from error
    except OSError as error:
        what = f"{path.name} for {target} cannot be written to {path.parent} ({error.strerror or error})"
        raise BitlensError(what, hint=ELSEWHERE) from error


def cache_directory() -> Path:
    """Raises BitlensError where nobody knows a home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:  # no HOME, and no such user
        raise BitlensError("there is no folder for built libraries: HOME is not set", hint=ELSEWHERE) from error
    return Path(base) / "bitlens" / "lce_ops"


def compiler_for(target: str) -> list[str]:
    """The start of a compiler's command line; raises NoCompiler."""
    own = lce_build.find_compiler() if target == host_target() else None
    cross = shutil.which(f"{target}-linux-gnu-g++")
    if own:
        return own
    if cross:
        return [cross]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "c++", "-target", f"{target}-linux-gnu.{OLDEST_GLIBC}"]
    package = "g++" if target == host_target() else f"g++-{target.replace('_', '-')}-linux-gnu"
    raise NoCompiler(
        f"no C++ compiler for {target} is installed, which builds the LCE operators of binarized artifacts",
        hint=f"apt install {package}, or pip install ziglang",
    )


if __name__ == "__main__":
    try:
        prebuild(PREBUILT)
    except BitlensError as error:
        sys.exit(str(error))
