"""External delegates in the agent: which operators they take, and one sentence for each way in which they fail."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device import delegates, runtimes
from device.delegates import DelegateError
from harness.native import build
from tests.device.delegates.conftest import build_example
from tests.device.lce_ops.graphs import Graph

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
STOCK = [r["name"] for r in runtimes.installed() if r["usable"] and r["name"] in ("ai-edge-litert", "tflite-runtime")]
NO_LIBRARY = "/usr/lib/libnothing.so"
pytestmark = pytest.mark.skipif(not STOCK, reason="needs ai-edge-litert or tflite-runtime")


def load(artifact: Path, library: Path | str | None, runtime: str = STOCK[0] if STOCK else "", **options: Any) -> Any:
    named = {"delegate": str(library), "delegate_name": Path(library).name} if library else {}
    xnnpack = options.pop("xnnpack", None)
    asked = {**named, "delegate_options": options, "xnnpack": xnnpack}
    return runtimes.load(str(artifact), runtime=runtime, options=asked)


def result(engine: Any) -> float:
    engine.set_inputs([np.ones((1, 4, 4, 8), np.float32)])
    engine.invoke()
    return float(engine.get_outputs()[0].ravel()[0])


@pytest.mark.parametrize("runtime", STOCK)
def test_each_operator_is_counted_where_it_runs(example: Path, additions: Path, runtime: str) -> None:
    engine = load(additions, example, runtime)
    assert engine.taken == {"libexample.so": [0, 1, 3], "XNNPACK": [2, 4]}
    assert engine.delegate == "libexample.so, XNNPACK"
    assert result(engine) == 12


@pytest.mark.parametrize("runtime", STOCK)
def test_without_xnnpack_the_rest_is_the_runtimes_own(example: Path, additions: Path, runtime: str) -> None:
    assert load(additions, example, runtime, xnnpack=False).taken == {"libexample.so": [0, 1, 3], "XNNPACK": []}
    alone = load(additions, None, runtime, xnnpack=False)
    assert (alone.taken, alone.delegate, result(alone)) == ({"XNNPACK": []}, "none", 12)


def test_a_delegate_that_takes_nothing_is_listed_with_nothing(example: Path, additions: Path) -> None:
    engine = load(additions, example, takes="nothing")
    assert engine.taken == {"libexample.so": [], "XNNPACK": [0, 1, 2, 3, 4]}
    assert engine.delegate == "XNNPACK"


def check_division(taken: dict[str, list[int] | None], ours: str) -> None:
    """The binary operators, and what is faster beside them, are ours; XNNPACK has the rest."""
    of_ours, of_theirs = taken[ours], taken["XNNPACK"]
    assert of_ours is not None
    assert of_theirs is not None
    assert set(of_ours) >= {2, 3}
    assert sorted(of_ours + of_theirs) == list(range(7))


def test_our_own_operators_work_as_an_external_delegate() -> None:
    try:
        library = build.host_library()
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    engine, oracle = load(ARTIFACTS / "lce.tflite", library), np.load(ARTIFACTS / "lce.npz")
    check_division(engine.taken, "liblce_ops.so")
    engine.set_inputs([((oracle["images"][:1] - np.float32(127.5)) / np.float32(127.5)).astype(np.float32)])
    engine.invoke()
    np.testing.assert_allclose(engine.get_outputs()[0][0], oracle["scores"][0], atol=1e-5)


def test_a_delegate_of_a_person_stands_beside_our_operators(example: Path) -> None:
    try:
        ours = str(build.host_library())
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    asked = {"delegate": str(example), "delegate_name": "theirs"}
    engine = runtimes.load(str(ARTIFACTS / "lce.tflite"), library=ours, options=asked)
    assert engine.taken["theirs"] == []
    check_division({name: taken for name, taken in engine.taken.items() if name != "theirs"}, "lce-ops")


def test_an_operator_whose_result_nobody_reads_counts_where_its_inputs_are(tmp_path: Path) -> None:
    graph = Graph()
    source = graph.tensor((1, 4, 4, 8), "float32")
    inner = graph.add(source, source)
    graph.add(inner, inner)  # for nobody
    (tmp_path / "dead.tflite").write_bytes(graph.model([source], [graph.add(inner, inner)]))
    assert load(tmp_path / "dead.tflite", None).taken == {"XNNPACK": [0, 1, 2]}


def text_file(folder: Path) -> Path:
    (folder / "libtext.so").write_text("no library at all\n")
    return folder / "libtext.so"


def of_another_machine(folder: Path) -> Path:
    other = next(target for target in build.TARGETS if target != build.host_target())
    return build_example(folder / "libother.so", other)


FAILURES: dict[str, tuple[Callable[[Path, Path], Path | str], dict[str, str], str]] = {
    "no file": (lambda example, folder: NO_LIBRARY, {}, r'"libnothing.so" cannot be loaded: .*No such file'),
    "no such name": (lambda example, folder: "libnone.so.1", {}, r'"libnone.so.1" cannot be loaded: .*No such file'),
    "text": (lambda example, folder: text_file(folder), {}, r'"libtext.so" cannot be loaded: .*(ELF|short)'),
    "another machine": (lambda e, folder: of_another_machine(folder), {}, r"is built for \w+, and this machine is"),
    "no delegate": (lambda e, f: "libm.so.6", {}, r'"libm.so.6" is a library without tflite_plugin_create_delegate'),
    "at its start": (
        lambda e, f: e,
        {"fails_at": "create"},
        "refused to start: ExampleDelegate: told to fail at create",
    ),
    "unknown option": (lambda e, f: e, {"colour": "red"}, "refused to start: ExampleDelegate: unknown option colour"),
    "for the graph": (lambda e, f: e, {"fails_at": "graph"}, '"libexample.so" failed: .*told to fail at graph'),
    "in Prepare": (lambda e, f: e, {"fails_at": "prepare"}, '"libexample.so" failed: .*told to fail at prepare'),
}


# What TFLite's class of delegates complains of when one that it never opened ends
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", FAILURES)
def test_a_delegate_that_fails_says_how_in_one_sentence(
    example: Path, additions: Path, tmp_path: Path, how: str
) -> None:
    library, options, words = FAILURES[how]
    with pytest.raises(DelegateError, match=words) as caught:
        load(additions, library(example, tmp_path), **options)
    assert "\n" not in str(caught.value)
    del caught
    gc.collect()  # so that it complains here


def test_a_failure_at_work_names_the_delegate(example: Path, additions: Path) -> None:
    with pytest.raises(RuntimeError, match="ExampleDelegate: told to fail at invoke"):
        result(load(additions, example, fails_at="invoke"))


def test_a_runtime_without_delegates_refuses_options() -> None:
    if "larq-compute-engine" not in {row["name"] for row in runtimes.installed()}:
        pytest.skip("needs larq-compute-engine")
    with pytest.raises(ValueError, match="larq-compute-engine has no options, and got xnnpack"):
        load(ARTIFACTS / "lce.tflite", None, "larq-compute-engine", xnnpack=False)


@pytest.mark.parametrize("row", [row for row in runtimes.RUNTIMES if row.name in STOCK], ids=lambda row: row.name)
@pytest.mark.parametrize("name", ["float", "int8"])
def test_the_table_says_which_types_each_runtime_gives_to_xnnpack(row: runtimes.Runtime, name: str) -> None:
    """In a process of its own: XNNPACK is set up by whichever runtime is loaded first."""
    code = "import sys; from device import runtimes; print(runtimes.load(sys.argv[1], runtime=sys.argv[2]).taken)"
    command = [sys.executable, "-c", code, str(ARTIFACTS / f"{name}.tflite"), row.name]
    said = subprocess.run(command, cwd=Path(runtimes.__file__).parents[1], capture_output=True, text=True, check=True)
    taken = ast.literal_eval(said.stdout)["XNNPACK"]
    assert bool(taken) == (name in row.xnnpack)
    assert taken in ([], [0, 1, 2, 3], [0, 1, 2, 3, 4])


def test_a_file_that_is_no_library_is_for_no_machine(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"\x7fELF")
    assert [delegates.machine_of(str(path)) for path in (text_file(tmp_path), tmp_path / "short", tmp_path)] == [""] * 3
