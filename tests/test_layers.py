"""The architecture's diagram, read from the imports: arrows point one way."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"harness", "converters", "device", "reports"}
RUNTIMES = {"tflite_runtime", "ai_edge_litert", "tensorflow", "larq_compute_engine"}


def imports_of(path: Path) -> set[str]:
    """Absolute modules that a file imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module))
    return found


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def foreign(path: Path, allowed: set[str]) -> set[str]:
    """Imports that are neither the standard library, nor allowed, by top-level name."""
    return {name for name in imports_of(path) if name.split(".")[0] not in sys.stdlib_module_names | allowed}


@pytest.mark.parametrize("path", files("device"), ids=str)
def test_device_imports_the_standard_library_numpy_and_runtimes_only(path: Path) -> None:
    assert not foreign(path, {"numpy", "device"} | RUNTIMES)


@pytest.mark.parametrize("path", files("converters"), ids=str)
def test_converters_know_nothing_of_ours_but_themselves(path: Path) -> None:
    assert not {name for name in imports_of(path) if name.split(".")[0] in OURS - {"converters"}}


@pytest.mark.parametrize("path", files("reports"), ids=str)
def test_reports_know_the_store_and_nothing_else_of_the_harness(path: Path) -> None:
    ours = {name for name in imports_of(path) if name.split(".")[0] in OURS - {"reports"}}
    assert all(name.startswith("harness.store") for name in ours)


@pytest.mark.parametrize("path", files("harness"), ids=str)
def test_only_commands_of_the_harness_know_reports(path: Path) -> None:
    knows_reports = any(name.split(".")[0] == "reports" for name in imports_of(path))
    assert not knows_reports or path.parent.name == "cli"
