"""What is inside an artifact: operators, multiply-accumulates, weights and the memory that its activations need.

Read from the flatbuffer alone, so that it works for anybody's `.tflite` file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from converters.arena import Lifetime, arena_bytes
from converters.schema import DAMAGE, NotAnArtifact, builtin_name, custom_options, read, type_name

BINARY, INT8, FLOAT, OTHER = "binary", "int8", "float", "other"
BINARY_CONVOLUTION = "LceBconv2d"
BITS_PER_WORD = 32  # LCE packs the signs of 32 channels into one int32
MOST_AXES = 32  # TFLite's kernels know 8 at most
MOST_ELEMENTS = 2**48  # of one tensor: far more than any memory holds
MOST_ACTIVATIONS = 10_000  # each is placed beside all others
MOST_CHARACTERS = 200  # of a name

_BITS = {
    "FLOAT64": 64, "INT64": 64, "UINT64": 64, "FLOAT32": 32, "INT32": 32, "UINT32": 32, "FLOAT16": 16, "INT16": 16,
    "UINT16": 16, "INT8": 8, "UINT8": 8, "BOOL": 8, "INT4": 4, "COMPLEX64": 64, "COMPLEX128": 128,
}  # fmt: skip
_KINDS = {"FLOAT32": FLOAT, "FLOAT16": FLOAT, "FLOAT64": FLOAT, "INT8": INT8, "UINT8": INT8, "INT4": INT8}
_WEIGHTS = {  # operators that multiply and accumulate -> which input holds their weights
    "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1, "BATCH_MATMUL": 1,
    BINARY_CONVOLUTION: 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output. `scale` is None where the tensor is not quantized."""

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float | None
    zero_point: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The summary of one artifact.

    operators     how many of each type, most frequent first; of all its graphs.
    macs          multiply-accumulates of one inference by the kind of arithmetic: binary, int8 and float. Weights of
                  int8 make it int8, also where activations are quantized only at run time.
    parameters    numbers in the weights, after the converter folded what it could; a binary weight is one.
    weight_bytes  of all constants, by how they are stored; `other` are biases of integer layers, shapes and indices.
    arena_bytes   what TFLite's planner needs for the activations; kernels' scratch buffers come on top.
    """

    operators: dict[str, int]
    custom_operators: tuple[str, ...]
    macs: dict[str, int]
    parameters: int
    weight_bytes: dict[str, int]
    arena_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def contents(content: bytes) -> Contents:
    """The summary of a flatbuffer. Raises NotAnArtifact for other bytes."""
    model = read(content)
    try:
        return _summary(model)
    except NotAnArtifact:
        raise
    except DAMAGE as error:
        raise NotAnArtifact(f"it is damaged ({type(error).__name__}: {error})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    name: str
    custom: bool
    inputs: list[Any]  # tensors; None where an optional one is left out
    outputs: list[Any]
    options: dict[str, Any]


def _summary(model: Any) -> Contents:
    operators = [operator for graph in model.subgraphs for operator in _operators(model, graph)]
    main = model.subgraphs[0]
    macs: Counter[str] = Counter({BINARY: 0, INT8: 0, FLOAT: 0})
    for operator in operators:
        macs[_arithmetic(operator)] += _macs(operator)
    return Contents(
        operators=dict(Counter(operator.name for operator in operators).most_common()),
        custom_operators=tuple(sorted({operator.name for operator in operators if operator.custom})),
        macs={kind: macs[kind] for kind in (BINARY, INT8, FLOAT)},
        parameters=_parameters(model, operators),
        weight_bytes=_weight_bytes(model, operators),
        arena_bytes=arena_bytes(_lifetimes(model, main)),
        inputs=tuple(_tensor(main.tensors[i]) for i in main.inputs),
        outputs=tuple(_tensor(main.tensors[i]) for i in main.outputs),
    )


def _operators(model: Any, graph: Any) -> Iterator[_Operator]:
    for operator in _some(graph.operators):
        code = model.operatorCodes[operator.opcodeIndex]
        # `deprecatedBuiltinCode` is one byte wide and all that files older than schema 3a have
        custom = code.customCode is not None
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        yield _Operator(
            name=_printable(code.customCode) if custom else builtin_name(number),
            custom=custom,
            inputs=[graph.tensors[i] if i >= 0 else None for i in _some(operator.inputs)],
            outputs=[graph.tensors[i] for i in _some(operator.outputs)],
            options=_options(operator),
        )


def _options(operator: Any) -> dict[str, Any]:
    """The options of a builtin operator, or of one of LCE's."""
    if operator.customOptions is not None and len(operator.customOptions):
        return custom_options(operator)
    return vars(operator.builtinOptions) if operator.builtinOptions is not None else {}


# -------------------------------------------------------------------------------------------- multiply-accumulates
def _macs(operator: _Operator) -> int:
    if operator.name not in _WEIGHTS or len(operator.inputs) < 2:
        return 0
    weights, output = _shape(operator.inputs[1]), _shape(operator.outputs[0])
    if operator.name == "FULLY_CONNECTED":
        return math.prod(output) * weights[1]
    if operator.name == "DEPTHWISE_CONV_2D":
        return math.prod(output) * weights[1] * weights[2]
    if operator.name == "TRANSPOSE_CONV":  # its inputs are the output's shape, the weights and the images
        return math.prod(_shape(operator.inputs[2])) * math.prod(weights[:3])
    if operator.name == "BATCH_MATMUL":
        first = _shape(operator.inputs[0])
        return math.prod(output) * first[-2 if operator.options.get("adjX") else -1]
    if operator.name == BINARY_CONVOLUTION:
        return math.prod(output[:3]) * _binary_weights(operator)
    return math.prod(output) * math.prod(weights[1:])


def _arithmetic(operator: _Operator) -> str:
    if operator.name == BINARY_CONVOLUTION:
        return BINARY
    if operator.name in _WEIGHTS and len(operator.inputs) > 1:
        return _KINDS.get(_type(operator.inputs[1]), OTHER)
    return OTHER


def _binary_weights(operator: _Operator) -> int:
    """Number of ±1 weights: channels are padded to whole words, and in a grouped convolution only a group's count."""
    filters, height, width, words = _shape(operator.inputs[1])
    channels = min(int(operator.options["channels_in"]), words * BITS_PER_WORD)
    return filters * height * width * channels


# ---------------------------------------------------------------------------------------------------------- weights
def _parameters(model: Any, operators: Iterable[_Operator]) -> int:
    """Numbers in constants that are weights or biases: floats, small integers, and integers with a scale."""
    counted: dict[int, int] = {}
    for operator in operators:
        for position, tensor in enumerate(operator.inputs):
            if tensor is None or not _is_constant(model, tensor):
                continue
            if operator.name == BINARY_CONVOLUTION and position == 1:
                counted[tensor.buffer] = _binary_weights(operator)
            elif _type(tensor) in _KINDS or _scale(tensor) is not None:
                counted[tensor.buffer] = math.prod(_shape(tensor))
    return sum(counted.values())


def _weight_bytes(model: Any, operators: Iterable[_Operator]) -> dict[str, int]:
    kinds: dict[int, str] = {}
    for operator in operators:
        for position, tensor in enumerate(operator.inputs):
            if tensor is not None and _is_constant(model, tensor):
                binary = operator.name == BINARY_CONVOLUTION and position == 1
                kinds[tensor.buffer] = BINARY if binary else _KINDS.get(_type(tensor), OTHER)
    sizes: Counter[str] = Counter()
    for buffer, kind in kinds.items():
        sizes[kind] += len(model.buffers[buffer].data)
    return {kind: sizes[kind] for kind in (BINARY, INT8, FLOAT, OTHER)}


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


# ------------------------------------------------------------------------------------------------------ activations
def _lifetimes(model: Any, graph: Any) -> list[Lifetime]:
    """Each activation from the operator that writes it to the last that reads it; ends of the graph live throughout."""
    first: dict[int, int] = dict.fromkeys(_some(graph.inputs), 0)
    last: dict[int, int] = dict.fromkeys(_some(graph.inputs), 0)
    steps = len(_some(graph.operators))
    for step, operator in enumerate(_some(graph.operators)):
        for index in _some(operator.outputs):
            first.setdefault(int(index), step)
            last[int(index)] = step
        for index in _some(operator.inputs):
            last[int(index)] = step
    last.update(dict.fromkeys(_some(graph.outputs), steps))
    if len(first) > MOST_ACTIVATIONS:
        raise NotAnArtifact(f"it has more than {MOST_ACTIVATIONS:,} activations")
    return [
        Lifetime(first=first[index], last=last[index], size=_bytes(graph.tensors[index]))
        for index in sorted(first)
        if not _is_constant(model, graph.tensors[index]) and not graph.tensors[index].isVariable
    ]


# ---------------------------------------------------------------------------------------------------------- tensors
def _tensor(tensor: Any) -> Tensor:
    scale = _scale(tensor)
    return Tensor(
        name=_printable(tensor.name or b""),
        shape=_shape(tensor),
        type=_type(tensor),
        scale=scale,
        zero_point=None if scale is None else int(tensor.quantization.zeroPoint[0]),
    )


def _scale(tensor: Any) -> float | None:
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
        return None
    scale = float(quantization.scale[0])
    if not math.isfinite(scale):
        raise NotAnArtifact(f'tensor "{_printable(tensor.name or b"")}" has the scale {scale}')
    return scale


def _shape(tensor: Any) -> tuple[int, ...]:
    """Raises NotAnArtifact for a shape that no tensor has, before anybody multiplies it out."""
    shape = tuple(int(n) for n in _some(tensor.shape)[: MOST_AXES + 1])
    if len(shape) > MOST_AXES or min(shape, default=0) < 0 or math.prod(shape) > MOST_ELEMENTS:
        raise NotAnArtifact(f'tensor "{_printable(tensor.name or b"")}" has the shape {shape}')
    return shape


def _type(tensor: Any) -> str:
    return type_name(tensor.type)


def _bytes(tensor: Any) -> int:
    return math.ceil(math.prod(_shape(tensor)) * _BITS.get(_type(tensor), 0) / 8)


def _printable(name: bytes) -> str:
    """A name of anybody's, fit for a terminal and a table."""
    text = name.decode(errors="replace")[:MOST_CHARACTERS]
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _some(vector: Any) -> Any:
    """The schema's objects have None for an empty vector."""
    return [] if vector is None else vector
