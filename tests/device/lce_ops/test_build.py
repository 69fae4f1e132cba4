"""The library is built once, from any compiler, and loads on old systems."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device.lce_ops import build as lce_build
from harness.errors import BitlensError, ConfigError
from harness.native import build

ROOT = Path(__file__).parents[3]
OLDEST_GLIBC, OLDEST_GLIBCXX = (2, 28), (3, 4, 25)  # Debian 10


def symbol_versions(library: Path, prefix: str) -> set[tuple[int, ...]]:
    objdump = shutil.which("objdump")
    if not objdump:
        pytest.skip("needs objdump")
    listing = subprocess.run([objdump, "-p", str(library)], capture_output=True, text=True, check=True).stdout
    return {tuple(map(int, v.split("."))) for v in re.findall(rf"\b{prefix}_([0-9.]+)", listing)}


@pytest.mark.parametrize("target", build.TARGETS)
def test_the_library_needs_no_newer_system_than_debian_10(target: str) -> None:
    try:
        library = build.library(target)
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    assert max(symbol_versions(library, "GLIBC")) <= OLDEST_GLIBC
    assert max(symbol_versions(library, "GLIBCXX"), default=(0,)) <= OLDEST_GLIBCXX


def test_a_library_is_built_once(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lce_build, "build", lambda *_, **__: pytest.fail("built again"))
    assert build.host_library() == library


def test_another_source_is_another_library(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lce_build.source_hash()
    shutil.copytree(lce_build.HERE, tmp_path / "lce_ops")
    (tmp_path / "lce_ops" / "add.cc").open("a").write("// changed\n")
    monkeypatch.setattr(lce_build, "HERE", tmp_path / "lce_ops")
    assert lce_build.source_hash() != before


def test_an_unknown_target_suggests_a_known_one() -> None:
    with pytest.raises(ConfigError, match=r'no target "aarch46"\n  try: "aarch64"'):
        build.library("aarch46")


def test_no_compiler_is_a_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(build.NoCompiler, match="no C\\+\\+ compiler for aarch64 is installed"):
        build.library("aarch64")


def test_zig_stands_in_for_a_missing_cross_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda _: object())
    target = next(t for t in build.TARGETS if t != build.host_target())
    compiler = build.compiler_for(target)
    assert compiler == [sys.executable, "-m", "ziglang", "c++", "-target", f"{target}-linux-gnu.2.28"]


def test_a_library_that_came_with_the_wheel_needs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    monkeypatch.setattr(lce_build, "build", lambda path, *_, **__: _write(path))
    monkeypatch.setattr(build, "compiler_for", lambda target: [target])
    build.prebuild(build.PREBUILT)
    monkeypatch.setattr(lce_build, "build", lambda *_, **__: pytest.fail("built although it came along"))
    for path in (*map(build.library, build.TARGETS), build.floats_library()):
        assert tmp_path / "prebuilt" in path.parents


def test_where_a_library_would_come_from_is_said_without_building_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "none")
    monkeypatch.setattr(build, "compiler_for", lambda target: ["/usr/bin/g++"])
    assert build.source_of("aarch64") == "built here when needed, by g++"
    monkeypatch.setattr(build, "compiler_for", lambda target: [sys.executable, "-m", "ziglang", "c++"])
    assert build.source_of("aarch64") == "built here when needed, by ziglang"
    assert not (tmp_path / "cache").exists()
    prebuilt = tmp_path / "none" / f"aarch64-{lce_build.source_hash()}" / build.LIBRARY
    prebuilt.parent.mkdir(parents=True)
    prebuilt.touch()
    assert build.source_of("aarch64") == "built already"


def test_a_library_of_other_sources_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    monkeypatch.setattr(build, "compiler_for", lambda target: [target])
    monkeypatch.setattr(lce_build, "build", lambda path, *_, **__: _write(path))
    build.prebuild(build.PREBUILT)
    monkeypatch.setattr(lce_build, "source_hash", lambda: "another")
    assert tmp_path / "cache" in build.library("aarch64").parents


@pytest.mark.parametrize("how", ["cut to nothing", "altered", "a link", "open to others", "its hash is gone"])
def test_a_library_that_is_not_as_it_was_built_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    monkeypatch.setattr(build, "compiler_for", lambda target: [target])
    built: list[Path] = []

    def compiled(path: Path, *_: object, **__: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(b"machine code")
        built.append(path)

    monkeypatch.setattr(lce_build, "build", compiled)
    path = build.library("aarch64")
    assert build.library("aarch64") == path
    assert built == [path]
    if how == "cut to nothing":
        path.write_bytes(b"")
    elif how == "altered":
        path.write_bytes(b"machine c0de")
    elif how == "a link":
        path.rename(path.with_name("elsewhere"))
        path.symlink_to(path.with_name("elsewhere"))
    elif how == "open to others":
        path.chmod(0o777)
    else:
        path.with_name(f"{path.name}.sha256").unlink()
    assert build.library("aarch64").read_bytes() == b"machine code"
    assert built == [path, path]
    assert build.library("aarch64") == path
    assert len(built) == 2


def test_a_cache_of_libraries_that_is_a_link_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    (tmp_path / "cache" / "bitlens").mkdir(parents=True)
    (tmp_path / "cache" / "bitlens" / "lce_ops").symlink_to(tmp_path)
    with pytest.raises(BitlensError, match=r"cache of compiled libraries: .* is a symbolic link"):
        build.library("aarch64")


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@pytest.mark.slow
def test_a_wheel_serves_both_targets_where_there_is_no_compiler(tmp_path: Path) -> None:
    for target in build.TARGETS:
        try:
            build.compiler_for(target)
        except build.NoCompiler as problem:
            pytest.skip(str(problem))
    source, installed = tmp_path / "source", tmp_path / "installed"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "dist", "runs", "tests", "prebuilt"))
    for command in (["-m", "harness.native.build"], ["-m", "build", "--wheel", "--no-isolation"]):
        subprocess.run([sys.executable, *command], cwd=source, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    shutil.unpack_archive(wheel, installed, "zip")
    ask = "from harness.native import build as build; print(*map(build.library, build.TARGETS), sep='\\n')"
    bare = {"PATH": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", ask], cwd=installed, env=bare, check=True, capture_output=True)
    libraries = [Path(line) for line in done.stdout.decode().splitlines()]
    assert [path.parent.name.partition("-")[0] for path in libraries] == list(build.TARGETS)
    for path in libraries:
        assert installed in path.parents
        assert max(symbol_versions(path, "GLIBC")) <= OLDEST_GLIBC


def test_a_failing_compiler_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "compiler_for", lambda _: [sys.executable, "-c", "raise SystemExit('out of ink')"])
    with pytest.raises(BitlensError, match=r"liblce_ops.so does not compile for aarch64: .*(?s:.*)out of ink"):
        build.library("aarch64")
    assert not list(tmp_path.rglob("*.so"))


def test_the_build_script_serves_a_board_without_bitlens(tmp_path: Path) -> None:
    """The board has Python and a compiler; nothing of ours but this folder."""
    if not lce_build.find_compiler():
        pytest.skip("needs a C++ compiler")
    done = subprocess.run(
        [sys.executable, "-I", str(lce_build.HERE / "build.py"), str(tmp_path / "x.so"), "no-such-compiler"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no-such-compiler cannot be started" in done.stderr
