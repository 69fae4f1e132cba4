"""What the operators' tests share: the library, the runtimes that are installed, the kernels that this CPU runs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.native import build

RUNTIMES = ("tflite_runtime", "ai_edge_litert")
KERNELS = {"x86_64": ("portable", "avx2", "avx512"), "aarch64": ("portable", "neon")}[build.host_target()]
NEEDED = {"avx2": {"avx2"}, "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vpopcntdq"}}
GOLDEN = Path(__file__).parent / "golden"


class Operators:
    """One runtime with the delegate; `run` returns the outputs of a model's second invocation."""

    def __init__(self, runtime: str, library: Path) -> None:
        self.module = importlib.import_module(f"{runtime}.interpreter")
        self.library = library

    def delegate(self, **options: Any) -> Any:
        return self.module.load_delegate(str(self.library), options)

    def interpreter(
        self, model: bytes, *, num_threads: int | None = 1, delegate: Any = None, xnnpack: bool = True, **options: Any
    ) -> Any:
        resolvers = self.module.OpResolverType
        interpreter = self.module.Interpreter(
            model_content=model,
            experimental_delegates=[delegate or self.delegate(xnnpack=int(xnnpack), **options)],
            experimental_op_resolver_type=resolvers.AUTO if xnnpack else resolvers.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            num_threads=num_threads,
        )
        interpreter.allocate_tensors()
        return interpreter

    def run(self, model: bytes, inputs: list[np.ndarray], **options: Any) -> list[np.ndarray]:
        return invoke(self.interpreter(model, **options), inputs)


def invoke(interpreter: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    for details, array in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(details["index"], array)
    interpreter.invoke()
    interpreter.invoke()  # state left by the first run must not matter
    return [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]


@pytest.fixture(scope="session")
def library() -> Path:
    try:
        return build.host_library()
    except build.NoCompiler as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session", params=RUNTIMES)
def operators(request: pytest.FixtureRequest, library: Path) -> Operators:
    pytest.importorskip(request.param)
    return Operators(request.param, library)


@pytest.fixture(scope="session", params=KERNELS)
def kernel(request: pytest.FixtureRequest, library: Path) -> str:
    pytest.importorskip("ai_edge_litert")
    lacking = NEEDED.get(request.param, set()) - cpu_flags()
    if lacking:
        pytest.skip(f"this CPU has no {', '.join(sorted(lacking))}")
    Operators("ai_edge_litert", library).delegate(kernel=request.param)  # the library has to find that out as well
    return str(request.param)


def cpu_flags() -> set[str]:
    """What the kernel says of this CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((set(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), set())
