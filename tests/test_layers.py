"""The house, read from the imports: each folder imports only what stands below it, and nothing goes in a circle.

An import counts wherever it stands, also inside a function or for type checkers only.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("harness", "converters", "device", "reports")
RUNTIMES = {"tflite_runtime", "ai_edge_litert", "tensorflow", "larq_compute_engine"}
HARNESS = (
    "cli",
    "draft",
    "execution",
    "plan",
    "stages",
    "experiment",
    "models",
    "quality",
    "saliency",
    "devices",
    "datasets",
    "native",
    "store",
    "ground",  # the modules of harness/ itself
)
REPORTS = ("ground", "page", "comparing", "sections", "drawing", "tables", "data", "errors")
LONGEST_CHAIN = 16
MOST_LINES = 300
REEXPORTING = {"harness.saliency", "harness.store"}  # documented names are imported from these


@cache
def modules() -> dict[str, Path]:
    """Our modules by dotted name."""
    paths = (path for folder in OURS for path in (ROOT / folder).rglob("*.py"))
    return {_dotted(path): path for path in sorted(paths)}


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Absolute names that a file imports: modules where a name is one of ours, else what they are imported from."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {member if member in modules() else str(node.module) for member in members}
    return frozenset(names)


def graph() -> dict[str, set[str]]:
    return {name: {other for other in imports_of(path) if other in modules()} for name, path in modules().items()}


def files(folder: str) -> list[Path]:
    return [path for path in modules().values() if path.relative_to(ROOT).parts[0] == folder]


def folder_of(module: str, folders: tuple[str, ...]) -> str:
    part = [*module.split("."), ""][1]
    return part if part in folders else "ground"


def foreign(path: Path, allowed: set[str]) -> set[str]:
    """Imports that are neither the standard library, nor allowed, by top-level name."""
    return {name for name in imports_of(path) if name.split(".")[0] not in sys.stdlib_module_names | allowed}


def ours(path: Path) -> set[str]:
    return {name for name in imports_of(path) if name.split(".")[0] in OURS}


@pytest.mark.parametrize("path", files("device"), ids=_dotted)
def test_device_imports_the_standard_library_numpy_and_runtimes_only(path: Path) -> None:
    assert not foreign(path, {"numpy", "device"} | RUNTIMES)


@pytest.mark.parametrize("path", files("converters"), ids=_dotted)
def test_converters_know_nothing_of_ours_but_themselves(path: Path) -> None:
    assert all(name.startswith("converters") for name in ours(path))


@pytest.mark.parametrize("path", files("reports"), ids=_dotted)
def test_reports_know_the_store_and_nothing_else_of_the_harness(path: Path) -> None:
    assert all(name.startswith(("reports", "harness.store")) for name in ours(path))


@pytest.mark.parametrize("path", files("harness"), ids=_dotted)
def test_only_the_command_line_knows_reports(path: Path) -> None:
    assert path.parent.name == "cli" or not any(name.startswith("reports") for name in ours(path))


@pytest.mark.parametrize(("top", "folders"), [("harness", HARNESS), ("reports", REPORTS)])
def test_a_folder_imports_only_what_stands_below_it(top: str, folders: tuple[str, ...]) -> None:
    upwards = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if module.startswith(f"{top}.")
        and other.startswith(f"{top}.")
        and folders.index(folder_of(other, folders)) < folders.index(folder_of(module, folders))
    ]
    assert upwards == []


def test_every_folder_has_its_place_in_the_order() -> None:
    for top, folders in (("harness", HARNESS), ("reports", REPORTS)):
        there = {path.name for path in (ROOT / top).iterdir() if (path / "__init__.py").exists()}
        assert there <= set(folders)


def test_no_circle_of_imports_and_no_long_chain() -> None:
    imported = graph()
    try:
        order = list(TopologicalSorter(imported).static_order())
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))
    chains: dict[str, list[str]] = {}
    for module in order:
        chains[module] = [module, *max((chains[other] for other in imported[module]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    print(f"the longest chain of imports, {len(longest)} files:", *longest, sep="\n  ")
    assert len(longest) <= LONGEST_CHAIN


def test_no_file_name_of_the_harness_occurs_twice() -> None:
    names = Counter(path.name for path in files("harness") if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("folder", [*OURS, "tests", "benchmarks"])
def test_a_module_is_short_enough_to_tell_one_story(folder: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > MOST_LINES} == {}


def test_a_folder_s_init_says_what_lives_there_and_does_no_work() -> None:
    working = []
    for path in (*files("harness"), *files("reports")):
        if path.name != "__init__.py" or path.parent.parent == ROOT:
            continue
        docstring, *rest = ast.parse(path.read_text()).body
        assert isinstance(docstring, ast.Expr), path
        does_work = any(not isinstance(node, ast.ImportFrom) or node.module != "__future__" for node in rest)
        if does_work and _dotted(path) not in REEXPORTING:
            working.append(_dotted(path))
    assert working == []
