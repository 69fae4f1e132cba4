"""LiteRT's newer interface, CompiledModel: the whole graph on one accelerator (CPU, GPU or NPU), or a refusal.

It could also put on the CPU what an accelerator does not take, but would not say how much that is.
"""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import flatbuffer

Details = list[dict[str, Any]]


@contextmanager
def _in_a_sentence(accelerator: str) -> Iterator[None]:
    """Its errors are lines of places in its source, and often nothing else."""
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip("└ ") for line in str(error).splitlines()]
        said = " ".join(line for line in lines if "ERROR: [" not in line) or "it gave no reason"
        raise RuntimeError(f"accelerator {accelerator} refused it: {said}") from error


class CompiledEngine:
    """An artifact compiled for one accelerator. Whoever loads it makes tensors of `sources` and `targets`: the details
    of inputs and outputs by the interpreter, since this interface does not know how they are quantized.

    weight_cache  the file in which XNNPACK keeps the weights as it wants them, for the next time; the CPU's alone.
    """

    runtime: str
    version: str
    inputs: list[Any]
    outputs: list[Any]

    def __init__(
        self, package: str, path: str, *, num_threads: int, accelerator: str, weight_cache: str | None = None
    ) -> None:
        started = time.perf_counter_ns()
        try:
            module, options = (importlib.import_module(f"{package}.{name}") for name in ("compiled_model", "options"))
            cpu = options.CpuOptions(num_threads=num_threads, xnnpack_weight_cache_path=weight_cache or "")
        except (ImportError, AttributeError, TypeError) as error:
            raise RuntimeError(f"{package} has no accelerators here: {error}") from error
        self.import_ns = time.perf_counter_ns() - started
        self.weight_cache = None if weight_cache is None else "used" if os.path.exists(weight_cache) else "made"
        started = time.perf_counter_ns()
        where = getattr(options.HardwareAccelerator, accelerator.upper())
        with _in_a_sentence(accelerator):
            chosen = options.Options(hardware_accelerators=where, cpu_options=cpu)
            self._model = module.CompiledModel.from_file(path, options=chosen)
            self._buffers = self._model.create_input_buffers(0), self._model.create_output_buffers(0)
        self.load_ns = time.perf_counter_ns() - started
        self.delegate, self.kernels = "XNNPACK" if accelerator == "cpu" else accelerator.upper(), "builtin"
        all_operators = list(range(len(flatbuffer.operators(flatbuffer.read(path)))))
        # Where it is not all of them, it does not say how many.
        self.taken = {self.delegate: all_operators if self._model.is_fully_accelerated() else None}
        interpreter = importlib.import_module(f"{package}.interpreter").Interpreter(model_path=path)
        with _in_a_sentence(accelerator):  # to ask for outputs prepares the operators, which not all can be
            self.sources = self._in_order(interpreter.get_input_details(), "input")
            self.targets = self._in_order(interpreter.get_output_details(), "output")

    def _in_order(self, tensors: Details, side: str) -> Details:
        """The interpreter's details of tensors, in the order of the buffers. Raises ValueError."""
        signature, by_number = self._model.get_signature_by_index(0), {tensor["index"]: tensor for tensor in tensors}
        named = getattr(self._model, f"get_{side}_tensor_details")(signature["key"])
        numbers = [named[name]["index"] for name in signature[f"{side}s"]]
        if set(numbers) != set(by_number) or any(-1 in tensor["shape_signature"] for tensor in tensors):
            raise ValueError(f"an accelerator needs fixed shapes, which the {side}s of this file do not have")
        return [by_number[number] for number in numbers]

    def invoke(self) -> None:
        self._model.run_by_index(0, *self._buffers)

    def set_inputs(self, arrays: list[Any]) -> None:
        for buffer, array in zip(self._buffers[0], arrays):
            buffer.write(array)

    def get_outputs(self) -> list[Any]:
        pairs = zip(self._buffers[1], self.outputs)
        return [buffer.read(math.prod(out.shape), out.dtype).reshape(out.shape) for buffer, out in pairs]
