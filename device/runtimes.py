"""The runtimes that can execute an artifact here, behind one small interface.

One literal table; adding a runtime is a row and, if its interpreter differs from TFLite's, a class. Nothing is imported
before it is used: importing one runtime into a process that measures another would spoil its memory figures.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import platform
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import delegates, flatbuffer, graphs
from .compiled import CompiledEngine
from .preprocessing import dequantize, preprocess, quantized, stored


@dataclass(frozen=True)
class Runtime:
    """A row of the table: the module that holds the interpreter, and the packages that may bring it."""

    name: str
    package: str
    module: str
    distributions: tuple[str, ...]
    operators: tuple[str, ...] = ()  # prefixes of the custom operators that it brings
    takes_library: bool = False  # brings them by our delegate library (device/lce_ops/), which the host sends
    xnnpack: tuple[str, ...] = ()  # the types of operators that it gives to XNNPACK unasked


Record = dict[str, Any]
LCE_OPERATORS = ("Lce",)
_LITERT = ("ai_edge_litert", "ai_edge_litert.interpreter", ("ai-edge-litert",))
_TFLITE = ("tflite_runtime", "tflite_runtime.interpreter", ("tflite-runtime",))
_TENSORFLOW = ("tensorflow", "tensorflow.lite.python.interpreter", ("tensorflow-cpu", "tensorflow"))
_ALL, _FLOATS = ("float", "int8"), ("float",)
# In the order in which `auto` prefers them: the newest XNNPACK first. tflite-runtime ends with 2.14.
RUNTIMES = (
    Runtime("ai-edge-litert", *_LITERT, xnnpack=_ALL),
    Runtime("tflite-runtime", *_TFLITE, xnnpack=_FLOATS),
    Runtime("tensorflow", *_TENSORFLOW, ("Flex",), xnnpack=_ALL),
    Runtime("ai-edge-litert+lce-ops", *_LITERT, LCE_OPERATORS, takes_library=True, xnnpack=_ALL),
    Runtime("tflite-runtime+lce-ops", *_TFLITE, LCE_OPERATORS, takes_library=True, xnnpack=_FLOATS),
    Runtime(
        "larq-compute-engine",
        "larq_compute_engine",
        "larq_compute_engine.tflite.python.interpreter_wrapper_lite",
        ("larq-compute-engine",),
        LCE_OPERATORS,
    ),
)


@dataclass(frozen=True)
class Tensor:
    """One input or output of an artifact. `scale` is 0 where the tensor is not quantized."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    scale: float
    zero_point: int

    def encode(self, images: NDArray[Any], record: dict[str, Any]) -> NDArray[Any]:
        """uint8 images (N, H, W, C) as this input wants them; float32 ones are what it stands for already.

        Raises ValueError for an integer input without a scale, unless the record makes such integers of the pixels.
        """
        if images.dtype == np.float32:
            return stored(images, dtype=self.dtype, scale=self.scale, zero_point=self.zero_point)
        if self.scale and np.issubdtype(self.dtype, np.integer):
            return quantized(images, record, dtype=self.dtype, scale=self.scale, zero_point=self.zero_point)
        values = preprocess(images, record)
        encoded = values.astype(self.dtype, copy=False)
        if np.issubdtype(self.dtype, np.integer) and (encoded != values).any():
            raise ValueError(
                f'input "{self.name}" takes {self.dtype} without a scale: expected a preprocessing that gives whole '
                f"numbers of that type, such as mean 0 and scale 1, got {record['mean']} and {record['scale']}"
            )
        return encoded

    def decode(self, stored: NDArray[Any]) -> NDArray[Any]:
        """What this output's values stand for, float32."""
        if self.scale and np.issubdtype(self.dtype, np.integer):
            return dequantize(stored, scale=self.scale, zero_point=self.zero_point)
        return stored.astype(np.float32, copy=False)


class RuntimeMissing(RuntimeError):
    """No installed runtime can execute this artifact; the message says what would."""


def installed(*, library: bool = False) -> list[dict[str, Any]]:
    """Every runtime that is installed, usable or not, in order of preference; those that take our operators' library
    only where it is at hand. Imports none of them."""
    rows = []
    for runtime in RUNTIMES:
        if importlib.util.find_spec(runtime.package) is not None and library >= runtime.takes_library:
            reason = unusable_reason(runtime.name, np.__version__)
            row = {"name": runtime.name, "version": version(runtime), "usable": not reason, "reason": reason}
            rows.append({**row, "xnnpack": list(runtime.xnnpack)})
    return rows


def unusable_reason(name: str, numpy_version: str) -> str:
    """Why a runtime that is installed cannot work, or an empty text."""
    if name.startswith("tflite-runtime") and int(numpy_version.split(".")[0]) >= 2:
        return f"tflite-runtime needs numpy < 2, found {numpy_version}"
    return ""


def version(runtime: Runtime) -> str:
    for distribution in runtime.distributions:
        try:
            return importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def choose(names: list[str], operators: list[str], *, wanted: str = "auto") -> str:
    """The first of the usable runtimes `names` that has the custom operators; `wanted` forces one.

    Custom operators that no runtime of the table claims are left to the stock runtimes, which build some in.
    Raises RuntimeMissing.
    """
    if wanted != "auto":
        if wanted not in names:
            raise RuntimeMissing(f'runtime "{wanted}" is not usable here; usable: {", ".join(names) or "none"}')
        return wanted
    claimed = {prefix for runtime in RUNTIMES for prefix in runtime.operators}
    needed = {prefix for prefix in claimed for name in operators if name.startswith(prefix)}
    for runtime in RUNTIMES:
        specialised = bool(runtime.operators) and not needed and runtime.name != "tensorflow"
        if runtime.name in names and needed <= set(runtime.operators) and not specialised:
            return runtime.name
    wanted_for = f"with the operators {', '.join(operators)}" if operators else "for builtin operators"
    raise RuntimeMissing(f"no runtime {wanted_for} is usable here; usable: {', '.join(names) or 'none'}")


def load(
    path: str,
    *,
    runtime: str = "auto",
    num_threads: int = 1,
    library: str | None = None,
    inputs: dict[str, Any] | None = None,
    options: dict[str, Any] | None = None,
) -> Any:
    """An engine with the artifact loaded and its tensors allocated.

    library  the path of our LCE operators.   inputs  the signature to run and the sizes of open shapes, see inputs.py.
    options  {"delegate", "delegate_name", "delegate_options", "xnnpack", "accelerator", "weight_cache"}, all optional.
    """
    usable = [row["name"] for row in installed(library=library is not None) if row["usable"]]
    operators = flatbuffer.custom_operators(path)
    name = choose(usable, operators, wanted=runtime)
    row = next(row for row in RUNTIMES if row.name == name)
    options = {key: value for key, value in (options or {}).items() if value not in (None, {}, "")}
    delegates.check_flex(name, version(row), operators, options)
    how: dict[str, Any] = {"num_threads": num_threads, "inputs": inputs or {}}
    if name == "larq-compute-engine":
        if options:
            raise ValueError(f"{name} has no options, and got {', '.join(options)}")
        return LceEngine(row, path, **how)
    if "accelerator" in options:
        if how["inputs"].get("signature"):
            raise ValueError("an accelerator runs only the main graph, and not a signature")
        engine = CompiledEngine(row.package, path, num_threads=num_threads, **options)
        engine.runtime, engine.version = row.name, version(row)
        engine.inputs, engine.outputs = _tensors(engine.sources), _tensors(engine.targets)
        return engine
    return TfliteEngine(row, path, library=library if row.takes_library else None, options=options, **how)


class TfliteEngine:
    """TFLite's Python interpreter, which three packages bring under three names, with or without our operators."""

    def __init__(
        self, runtime: Runtime, path: str, *, num_threads: int, library: str | None, inputs: Record, options: Record
    ) -> None:
        started = time.perf_counter_ns()
        module = importlib.import_module(runtime.module)
        self.runtime, self.version = runtime.name, version(runtime)
        self.import_ns = time.perf_counter_ns() - started
        started = time.perf_counter_ns()
        resolver = {}
        if options.get("xnnpack") is False:
            resolver["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._interpreter = module.Interpreter(model_path=path, num_threads=num_threads, **resolver)
        delegation = delegates.Delegation(self._interpreter)
        asked = options.get("delegate"), options.get("delegate_name", ""), options.get("delegate_options", {})
        for file, name, settings in ((library, "lce-ops", {"xnnpack": str(int(not resolver))}), asked):
            if file is not None:
                delegation.apply(name, delegates.opened(module, file, settings, name=name))
        self._graph = graphs.allocated(self._interpreter, inputs)
        # XNNPACK is the one delegate that the stock runtimes apply unasked, and not before tensors are allocated.
        delegation.applied("XNNPACK")
        self.load_ns = time.perf_counter_ns() - started
        self._inputs, self._outputs = self._graph.inputs(), self._graph.outputs()
        self.inputs, self.outputs = _tensors(self._inputs), _tensors(self._outputs)
        self.taken: dict[str, list[int] | None] = delegation.taken(whole=self._graph.signature is None)
        self.delegate = ", ".join(name for name, operators in self.taken.items() if operators != []) or "none"
        self.kernels = "optimized" if library else "builtin"
        self.invoke = self._graph.invoke

    def set_inputs(self, arrays: list[NDArray[Any]]) -> None:
        for details, array in zip(self._inputs, arrays):
            self._graph.set_tensor(details["index"], array)

    def get_outputs(self) -> list[NDArray[Any]]:
        return [self._graph.get_tensor(details["index"]) for details in self._outputs]


class LceEngine:
    """Larq Compute Engine's own interpreter. Its extension module is loaded without its package, which would import
    TensorFlow: 3 seconds and half a gigabyte that the artifact has no part in."""

    delegate = "none"

    def __init__(self, runtime: Runtime, path: str, *, num_threads: int, inputs: dict[str, Any]) -> None:
        if inputs.get("signature"):
            raise ValueError(f"{runtime.name} runs only the main graph, and not a signature; another runtime does")
        started = time.perf_counter_ns()
        module = _extension(runtime)
        self.runtime, self.version = runtime.name, version(runtime)
        self.taken: dict[str, list[int] | None] = {}
        self.import_ns = time.perf_counter_ns() - started
        with open(path, "rb") as file:
            content = file.read()
        started = time.perf_counter_ns()
        self._interpreter = module.LiteInterpreter(content, num_threads, False, False, False)
        self.load_ns = time.perf_counter_ns() - started
        self.inputs, self.outputs = self._tensors("input", inputs.get("names")), self._tensors("output")
        for tensor in self.inputs:
            wanted = (inputs.get("shapes") or {}).get(tensor.name, tensor.shape)
            if tuple(wanted) != tensor.shape:
                raise ValueError(f'{runtime.name} runs input "{tensor.name}" as {tensor.shape} alone, not as {wanted}')
        # LCE's fast kernels are written for aarch64; elsewhere it falls back on portable code.
        self.kernels = "optimized" if platform.machine() in ("aarch64", "arm64") else "reference"
        self._arguments: list[NDArray[Any]] = []
        self._results: list[NDArray[Any]] = []

    def set_inputs(self, arrays: list[NDArray[Any]]) -> None:
        self._arguments = arrays

    def invoke(self) -> None:
        """LCE copies inputs and outputs inside this call, so its time contains both copies."""
        self._results = self._interpreter.predict(self._arguments)

    def get_outputs(self) -> list[NDArray[Any]]:
        return self._results

    def _tensors(self, side: str, names: list[str] | None = None) -> list[Tensor]:
        columns = [
            getattr(self._interpreter, f"{side}_{column}") for column in ("shapes", "types", "scales", "zero_points")
        ]
        return [
            Tensor(
                names[i] if names else f"{side}_{i}",
                tuple(shape),
                np.dtype(dtype),
                float(scale or 0),
                int(zero_point or 0),
            )
            for i, (shape, dtype, scale, zero_point) in enumerate(zip(*columns))
        ]


def _tensors(details: list[dict[str, Any]]) -> list[Tensor]:
    return [
        Tensor(d["name"], tuple(int(n) for n in d["shape"]), np.dtype(d["dtype"]), *_quantization(d)) for d in details
    ]


def _quantization(details: dict[str, Any]) -> tuple[float, int]:
    scale, zero_point = details["quantization"]
    return float(scale), int(zero_point)


def _extension(runtime: Runtime) -> Any:
    package = importlib.util.find_spec(runtime.package)
    if package is None or not package.submodule_search_locations:
        raise RuntimeMissing(f'runtime "{runtime.name}" is not installed here')
    relative = runtime.module.split(".")[1:]
    path = os.path.join(next(iter(package.submodule_search_locations)), *relative) + ".so"
    loader = importlib.machinery.ExtensionFileLoader(runtime.module, path)
    spec = importlib.util.spec_from_loader(runtime.module, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
