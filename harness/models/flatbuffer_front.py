"""What a flatbuffer does to pixels by itself before its first weights, found as it is of layers: by value.

The file is cut off behind each operator in front, and run on black, white and a colour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from converters.schema import DAMAGE, builtin_name, read
from device.flatbuffer import prefix
from harness.devices.device import make_device
from harness.devices.kept_artifact import KeptArtifact
from harness.devices.known import THIS_HOST
from harness.errors import DeviceError
from harness.models.flatbuffer_model import FlatbufferModel
from harness.models.own_preprocessing import Made, OwnPreprocessing, Pixels, centre, compared, probes, seen

WEIGHTED = ("CONV", "FULLY_CONNECTED", "BATCH_MATMUL", "CUSTOM")  # in the names of operators with weights
KEEPS_VALUES = ("PAD", "PADV2", "MIRROR_PAD", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "QUANTIZE", "DEQUANTIZE", "CAST")
MOST_OPERATORS = 8  # that are run: preparing pixels takes three


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    """One that makes something of the image without weights; tensors go by their numbers in the graph."""

    index: int
    kind: str
    source: int
    tensor: int
    shape: tuple[int, ...]


def own_preprocessing_of_flatbuffer(model: FlatbufferModel) -> OwnPreprocessing:
    """Of its first input; nothing where its operators in front cannot be run by themselves."""
    try:
        operators = list(_before_weights(read(model.content)))[:MOST_OPERATORS]
    except DAMAGE:
        return OwnPreprocessing()
    if not operators:
        return OwnPreprocessing()
    pixels, image = probes(model.input_shape), operators[0].source
    values = {image: centre(pixels)}
    for operator in operators:
        made = None if operator.kind in KEEPS_VALUES else _made_by(model.content, operator, pixels)
        if made is not None:
            values[operator.tensor] = seen(made)
    found = compared([Made(each.kind, each.source, each.tensor) for each in operators], values, source=image)
    return replace(found, resizes=tuple(each.kind for each in operators if "RESIZE" in each.kind))


def _made_by(content: bytes, operator: _Operator, pixels: Pixels) -> Pixels | None:
    """(3, ...) what an operator makes of the probes; None where the file cannot be run up to there."""
    here = KeptArtifact(make_device(THIS_HOST), prefix(content, operator.index + 1))
    try:
        made = here.outputs(pixels)
    except (DeviceError, ValueError):
        return None
    finally:
        here.close()
    shape = (len(pixels), *operator.shape[1:])
    return made.reshape(shape) if made.size == math.prod(shape) else None


def _before_weights(model: Any) -> Iterator[_Operator]:
    """In the graph's order. What is made of constants alone is one."""
    graph = model.subgraphs[0]
    image = int(graph.inputs[0])
    made_of_image = {image}
    constant = {i for i, tensor in enumerate(graph.tensors) if _is_constant(model, tensor)}
    for index, operator in enumerate(graph.operators or ()):
        code = model.operatorCodes[operator.opcodeIndex]
        kind = builtin_name(max(code.builtinCode, code.deprecatedBuiltinCode))
        sources = [int(i) for i in operator.inputs if i >= 0 and i not in constant]
        outputs = [int(i) for i in operator.outputs]
        if not sources:
            constant.update(outputs)
        elif made_of_image.issuperset(sources) and not any(part in kind for part in WEIGHTED) and len(outputs) == 1:
            shape = graph.tensors[outputs[0]].shape
            shape = () if shape is None else tuple(int(n) for n in shape)
            if len(shape) in (2, 4):
                made_of_image.update(outputs)
                yield _Operator(index=index, kind=kind, source=sources[0], tensor=outputs[0], shape=shape)


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0
