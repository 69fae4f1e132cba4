"""The delegate of these tests, built by the compiler that builds our operators, and a model with additions."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.lce_ops import build as lce_build
from harness.native import build
from tests.device.lce_ops.graphs import RELU, Graph

SOURCE = Path(__file__).with_name("example_delegate.cc")


def build_example(library: Path, target: str) -> Path:
    """Takes half a second. Skips aloud where there is no compiler."""
    try:
        compiler = build.compiler_for(target)
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    lce_build.build(library, compiler, files=[SOURCE], extra_flags=[f"-I{lce_build.HERE}"])
    return library


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_example(tmp_path_factory.mktemp("delegate") / "libexample.so", build.host_target())


@pytest.fixture(scope="session")
def additions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five operators: ADD, ADD, MAX_POOL_2D, ADD, and ADD with a RELU, which the delegate leaves. 1 becomes 12."""
    graph = Graph()
    source = graph.tensor((1, 4, 4, 8), "float32")
    tripled = graph.add(graph.add(source, source), source)
    pooled = graph.max_pool(tripled, (2, 2), (2, 2), same=True)
    doubled = graph.add(pooled, pooled)
    result = graph.add(doubled, doubled, RELU)
    path = tmp_path_factory.mktemp("model") / "additions.tflite"
    path.write_bytes(graph.model([source], [result]))
    return path
