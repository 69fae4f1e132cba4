"""Where built libraries are kept, or why they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import BitlensError
from harness.native import build


def test_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "none")
    for cache in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        with pytest.raises(BitlensError, match=r"cache of compiled libraries: .*\n  try: XDG_CACHE_HOME"):
            build.library("x86_64")


def test_no_home_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(BitlensError, match="HOME is not set\n  try: XDG_CACHE_HOME"):
        build.cache_directory()
