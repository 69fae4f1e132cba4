"""The part of a TFLite interpreter that is run: its main graph, or the graph behind one of the file's signatures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from . import inputs


class MainGraph:
    """What plain calls of the interpreter run; its inputs and outputs go by the names of their tensors."""

    signature = None

    def __init__(self, interpreter: Any, names: Sequence[str]) -> None:
        self._interpreter, self._names = interpreter, names
        self.set_tensor, self.get_tensor = interpreter.set_tensor, interpreter.get_tensor
        self.invoke = interpreter.invoke

    def inputs(self) -> list[dict[str, Any]]:
        details = self._interpreter.get_input_details()
        names = self._names if len(self._names) == len(details) else inputs.unique([d["name"] for d in details])
        return [{**d, "name": name} for d, name in zip(details, names)]

    def outputs(self) -> list[dict[str, Any]]:
        return list(self._interpreter.get_output_details())

    def resize(self, index: int, shape: Sequence[int]) -> None:
        self._interpreter.resize_tensor_input(index, shape)

    def allocate(self) -> None:
        self._interpreter.allocate_tensors()


class SignatureGraph:
    """What a signature runs; its inputs and outputs go by the signature's names. TFLite's SignatureRunner copies inputs
    and outputs and allocates at every call, so this makes the calls that it makes, one by one."""

    def __init__(self, interpreter: Any, signature: str) -> None:
        self.signature = signature
        self._runner = interpreter.get_signature_runner(signature)
        self._wrapper, self._number = self._runner._interpreter_wrapper, self._runner._subgraph_index
        self.invoke = partial(self._wrapper.Invoke, self._number)

    def set_tensor(self, index: int, array: Any) -> None:
        self._wrapper.SetTensor(index, array, self._number)

    def get_tensor(self, index: int) -> Any:
        return self._wrapper.GetTensor(index, self._number)

    def inputs(self) -> list[dict[str, Any]]:
        return [{**details, "name": name} for name, details in self._runner.get_input_details().items()]

    def outputs(self) -> list[dict[str, Any]]:
        return [{**details, "name": name} for name, details in self._runner.get_output_details().items()]

    def resize(self, index: int, shape: Sequence[int]) -> None:
        self._wrapper.ResizeInputTensor(index, np.array(shape, np.int32), False, self._number)

    def allocate(self) -> None:
        """The main graph first, for then the interpreter gives all its graphs to XNNPACK; it may lack a size itself."""
        with suppress(RuntimeError, ValueError):
            self._wrapper.AllocateTensors()
        self._wrapper.AllocateTensors(self._number)


def allocated(interpreter: Any, wanted: Mapping[str, Any]) -> MainGraph | SignatureGraph:
    """The graph of an interpreter that the record `wanted` asks for (inputs.py), its open shapes filled in.

    Raises ValueError for a shape that stays open, and what the runtime raises.
    """
    signature, shapes, names = (wanted.get(key) for key in ("signature", "shapes", "names"))
    shapes, names = shapes or {}, names or []
    graph = SignatureGraph(interpreter, signature) if signature else MainGraph(interpreter, names)
    details = graph.inputs()
    unknown = sorted(set(names) - {tensor["name"] for tensor in details})
    if unknown:
        raise ValueError(f"the runtime knows no input {', '.join(unknown)}")
    for tensor in details:
        axes = [int(size) for size in tensor["shape_signature"]]
        shape = inputs.filled(tensor["name"], axes, shapes.get(tensor["name"], shapes.get("")))
        if shape != [int(size) for size in tensor["shape"]]:
            graph.resize(tensor["index"], shape)
    try:
        graph.allocate()
    except RuntimeError as error:
        flex = re.search(r"Select TensorFlow op.*\((Flex\w+)\)", str(error), re.DOTALL)
        if flex is None:
            raise
        raise RuntimeError(f"this runtime has no {flex[1]}; TensorFlow's packages have it up to 2.18") from error
    return graph
