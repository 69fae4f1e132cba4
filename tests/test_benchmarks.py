"""Benchmarks are scripts that anyone can start, from any folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if "argparse" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_says_how_it_is_used(script: str, tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / script, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"python benchmarks/{script}" in done.stdout
    assert "--json" in done.stdout or script == "saliency_figures.py"  # which draws and measures nothing
