"""What is inside an artifact: operators, multiply-accumulates, weights and the memory that its activations need.

Read from the flatbuffer alone, so that it works for anybody's `.tflite` file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from converters.inspection import parts, reading
from converters.inspection.activations import activation_bytes
from converters.inspection.costs import Costs
from converters.inspection.macs import ARITHMETIC, BINARY, BINARY_CONVOLUTION, binary_weights
from converters.inspection.parts import Constant, File, Operator
from converters.inspection.shapes import for_stored_images
from converters.schema import DAMAGE, NotAnArtifact

_STORED = {
    "FLOAT32": "float", "FLOAT16": "float", "FLOAT64": "float", "BFLOAT16": "float", "FLOAT8_E4M3FN": "float",
    "FLOAT8_E5M2": "float", "INT16": "int16", "INT8": "int8", "UINT8": "int8", "INT4": "int4", "UINT4": "int4",
    "INT2": "int4",
}  # fmt: skip
STORED = (BINARY, "int4", "int8", "int16", "float", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output.

    shape            as it is stored; what an axis of any length is stored as means nothing.
    shape_signature  the same with -1 for axes of any length; None where there is none.
    scale            None where the tensor is not quantized, or has a scale for each channel.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float | None
    zero_point: int | None
    shape_signature: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The summary of one artifact.

    operators     how many of each type, most frequent first; of all its graphs.
    macs          multiply-accumulates of one inference by the main graph, by the kind of arithmetic. Weights of int8
                  (or fewer bits) make it int8, also where activations are quantized only at run time; with int16
                  activations it is int16. Of a file that takes any number of images, for the stored number.
    macs_unknown  how many operators of each type have multiply-accumulates that cannot be told; with any, `macs` are
                  the least that there are.
    parameters    numbers in the weights, after the converter folded what it could; a binary weight is one.
    weight_bytes  of all constants, by how they are stored; `other` are biases of integer layers, shapes and indices.
    arena_bytes   what TFLite's planner needs for the activations; kernels' scratch buffers come on top. None where that
                  depends on the input.
    inputs        and outputs, of the main graph.
    """

    operators: dict[str, int]
    custom_operators: tuple[str, ...]
    macs: dict[str, int]
    macs_unknown: dict[str, int]
    parameters: int
    weight_bytes: dict[str, int]
    arena_bytes: int | None
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def contents(content: bytes) -> Contents:
    """The summary of a flatbuffer. Raises NotAnArtifact for other bytes."""
    with damage_explained():
        return summary(reading.read_file(content))


@contextmanager
def damage_explained() -> Iterator[None]:
    """Whatever one stumbles over in a foreign file is a NotAnArtifact."""
    try:
        yield
    except NotAnArtifact:
        raise
    except DAMAGE as error:
        raise NotAnArtifact(f"it is damaged ({type(error).__name__}: {error})") from error


def summary(file: File) -> Contents:
    """Raises what `damage_explained` explains."""
    operators = [operator for graph in file.graphs for operator in graph.operators]
    main, fixed = file.graphs[0], for_stored_images(file).graphs
    cost = Costs(fixed).of_graph(0)
    return Contents(
        operators=dict(Counter(operator.name for operator in operators).most_common()),
        custom_operators=tuple(sorted({operator.name for operator in operators if operator.custom})),
        macs={kind: cost.macs[kind] for kind in ARITHMETIC},
        macs_unknown=dict(cost.unknown.most_common()),
        parameters=_parameters(operators),
        weight_bytes=_weight_bytes(operators),
        arena_bytes=activation_bytes(fixed, 0),
        inputs=tuple(map(shown, main.inputs)),
        outputs=tuple(map(shown, main.outputs)),
    )


def shown(tensor: parts.Tensor) -> Tensor:
    scale = tensor.scales[0] if len(tensor.scales) == 1 else None
    sizes = tuple(-1 if axis in tensor.free_axes else size for axis, size in enumerate(tensor.shape))
    return Tensor(
        name=tensor.name,
        shape=tensor.shape,
        type=tensor.type,
        scale=scale,
        zero_point=None if scale is None else tensor.zero_point,
        shape_signature=sizes if tensor.free_axes else None,
    )


# ---------------------------------------------------------------------------------------------------------- weights
def _constants(operators: Iterable[Operator]) -> Iterator[tuple[Operator, int, parts.Tensor, Constant]]:
    """Every constant input of every operator, with its position; one that several share comes several times."""
    for operator in operators:
        for position, tensor in enumerate(operator.inputs):
            if tensor is not None and tensor.constant is not None:
                yield operator, position, tensor, tensor.constant


def _parameters(operators: Iterable[Operator]) -> int:
    """Numbers in constants that are weights or biases: floats, small integers, and integers with a scale.

    What is shared is counted once; of a sparse constant, the numbers that are stored.
    """
    counted: dict[tuple[str, int], int] = {}
    for operator, position, tensor, constant in _constants(operators):
        if _is_binary(operator, position):
            counted[constant.place] = binary_weights(operator)
        elif _STORED.get(tensor.type, "int16") != "int16" or tensor.scales:
            counted[constant.place] = tensor.stored_elements
    return sum(counted.values())


def _weight_bytes(operators: Iterable[Operator]) -> dict[str, int]:
    kinds: dict[tuple[str, int], tuple[str, int]] = {}
    for operator, position, tensor, constant in _constants(operators):
        kind = BINARY if _is_binary(operator, position) else _STORED.get(tensor.type, "other")
        kinds[constant.place] = kind, constant.size
    sizes: Counter[str] = Counter()
    for kind, size in kinds.values():
        sizes[kind] += size
    return {kind: sizes[kind] for kind in STORED}


def _is_binary(operator: Operator, position: int) -> bool:
    return operator.name == BINARY_CONVOLUTION and position == 1
