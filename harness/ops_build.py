"""Where the LCE operators' shared library comes from: the wheel that was installed, or the first compiler here that can
build it, once per target and source.

Knows compilers and targets; how the sources are compiled is `device/lce_ops/build.py`, which a board can run as well.

    python -m harness.ops_build       builds what a wheel carries (`make wheel`)
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from device.lce_ops import build as lce_build
from harness.errors import BitlensError, ConfigError, nearest

LIBRARY = "liblce_ops.so"
TARGETS = ("x86_64", "aarch64")
# What a wheel carries, named by source as in the cache: a file left by other sources is never taken.
PREBUILT = lce_build.HERE / "prebuilt"
# Raspberry Pi OS and Debian since 10: what ziglang is told to link against.
OLDEST_GLIBC = "2.28"


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
    if target not in TARGETS:
        raise ConfigError(f'the LCE operators have no target "{target}"', hint=nearest(target, TARGETS))
    name = Path(f"{target}-{lce_build.source_hash()}") / LIBRARY
    for path in (PREBUILT / name, cache_directory() / name):
        if path.exists():
            return path
    _build(path, target)
    return path


def prebuild(folder: Path) -> None:
    """Puts the operators for every target into an emptied folder, from where a wheel takes them."""
    shutil.rmtree(folder, ignore_errors=True)
    for target in TARGETS:
        path = folder / f"{target}-{lce_build.source_hash()}" / LIBRARY
        _build(path, target)
        print(path)


def _build(path: Path, target: str) -> None:
    try:
        lce_build.build(path, compiler_for(target))
    except lce_build.BuildError as error:
        raise BitlensError(f"the LCE operators do not compile for {target}: {error}") from error


def cache_directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
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
    raise NoCompiler(
        f"no C++ compiler for {target} is installed, so binarized artifacts need another runtime there",
        hint=f"apt install g++-{target.replace('_', '-')}-linux-gnu, or pip install ziglang",
    )


if __name__ == "__main__":
    try:
        prebuild(PREBUILT)
    except BitlensError as error:
        sys.exit(str(error))
