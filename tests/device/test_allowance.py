"""What goes to a board stays small and stands on little: the standard library, NumPy and a TFLite runtime."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "device"
SOURCES = sorted(FOLDER.glob("*.py"))
ALLOWED = {"numpy", "tflite_runtime", "ai_edge_litert", "device"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_agent_imports_nothing_beyond_its_allowance(path: Path) -> None:
    assert imported(path) <= ALLOWED | set(sys.stdlib_module_names)


def test_the_agent_can_be_read_in_one_sitting() -> None:
    """A quarter of it checks what lies on the board before it is used."""
    assert sum(len(path.read_text().splitlines()) for path in SOURCES) < 2760


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_agent_is_written_for_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))
