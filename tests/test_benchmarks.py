"""Benchmarks are scripts that anyone can start, from any folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import lce_converter

DOCS = Path(__file__).parents[1] / "docs"
FOLDER = Path(__file__).parents[1] / "benchmarks"
PAGES = {"performance_page.py", "paper_page.py", "ablation_page.py"}
MEASURE_NOTHING = {"saliency_figures.py", "all.py", *PAGES}  # themselves, that is
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_says_how_it_is_used(script: str, tmp_path: Path) -> None:
    command = [sys.executable, FOLDER / script, "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"python benchmarks/{script}" in done.stdout
    assert "--json" in done.stdout or script in MEASURE_NOTHING


def test_table_of_the_lce_converter_shows_the_stored_figures() -> None:
    figures = json.loads((DOCS / "lce-converter.json").read_text(encoding="utf-8"))["figures"]
    rows = [lce_converter.Row(**figure) for figure in figures.values()]
    assert [row.network for row in rows] == list(lce_converter.NETWORKS)
    assert lce_converter.table(rows) in (DOCS / "lce-converter.md").read_text(encoding="utf-8")
