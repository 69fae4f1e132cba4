"""Where the LCE operators' shared library comes from: built once per target and source, then taken from a cache.

Knows compilers and targets; how the sources are compiled is `device/lce_ops/build.py`, which a board can run as well.
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
    """The operators for `target` ("x86_64" or "aarch64"), built if this version of them never was.

    Raises ConfigError for an unknown target, NoCompiler, or BitlensError with the compiler's words.
    """
    if target not in TARGETS:
        raise ConfigError(f'the LCE operators have no target "{target}"', hint=nearest(target, TARGETS))
    path = cache_directory() / f"{target}-{lce_build.source_hash()}" / LIBRARY
    if not path.exists():
        try:
            lce_build.build(path, compiler_for(target))
        except lce_build.BuildError as error:
            raise BitlensError(f"the LCE operators do not compile for {target}: {error}") from error
    return path


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
