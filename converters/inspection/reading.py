"""A flatbuffer as graphs of operators and tensors, checked: shapes that tensors have, names fit for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from converters.bounded_schema import Mapped
from converters.inspection.parts import Constant, File, Graph, Operator, Signature, Tensor
from converters.schema import NotAnArtifact, builtin_name, builtin_number, custom_options, read, type_name

MOST_AXES = 32  # TFLite's kernels know 8 at most
MOST_ELEMENTS = 2**48  # of one tensor: far more than any memory holds
MOST_CHARACTERS = 200  # of a name


def read_file(content: bytes | Mapped) -> File:
    """Raises NotAnArtifact; whoever reads on catches the rest of `schema.DAMAGE`."""
    model = read(content)
    constants = _Constants(model, content)
    graphs = tuple(_graph(model, graph, constants) for graph in model.subgraphs)
    return File(
        description=_text(model.description),
        graphs=graphs,
        signatures=tuple(_signature(signature, graphs) for signature in _some(model.signatureDefs)),
        metadata=tuple(_text(entry.name) for entry in _some(model.metadata)),
    )


def printable(text: str) -> str:
    """A name of anybody's, fit for a terminal and a table."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:MOST_CHARACTERS])


# -------------------------------------------------------------------------------------------------------- constants
class _Constants:
    """Where tensors' bytes lie: in the flatbuffer, behind it (files over 2 GB), or in another file."""

    def __init__(self, model: Any, content: bytes | Mapped) -> None:
        self._buffers, self._content = _some(model.buffers), content
        self._external = {entry.id: entry for entry in _some(getattr(model, "externalBuffers", None))}

    def of(self, tensor: Any) -> Constant | None:
        entry = self._external.get(getattr(tensor, "externalBuffer", 0))
        if entry is not None and entry.length:
            return Constant(place=("external", entry.id), size=int(entry.length), data=None)
        buffer = self._buffers[tensor.buffer]
        if buffer.data is not None and len(buffer.data):
            return Constant(place=("buffer", tensor.buffer), size=len(buffer.data), data=buffer.data)
        if buffer.offset > 1 and buffer.size:  # the schema: offsets 0 and 1 stand for none
            end = buffer.offset + buffer.size
            if end > len(self._content):
                raise NotAnArtifact(
                    f"it is cut off: it has {len(self._content):,} bytes, and its constants end at byte {end:,}"
                )
            data = memoryview(self._content)[buffer.offset : end]
            return Constant(place=("buffer", tensor.buffer), size=int(buffer.size), data=data)
        return None


# ------------------------------------------------------------------------------------------------------------ parts
def _graph(model: Any, written: Any, constants: _Constants) -> Graph:
    tensors = tuple(_tensor(i, tensor, constants) for i, tensor in enumerate(_some(written.tensors)))
    return Graph(
        name=_text(written.name),
        tensors=tensors,
        operators=tuple(_operator(model, operator, tensors) for operator in _some(written.operators)),
        inputs=tuple(_at(tensors, i) for i in _some(written.inputs)),
        outputs=tuple(_at(tensors, i) for i in _some(written.outputs)),
    )


def _operator(model: Any, written: Any, tensors: tuple[Tensor, ...]) -> Operator:
    code = model.operatorCodes[written.opcodeIndex]
    # `deprecatedBuiltinCode` is one byte wide and all that files older than schema 3a have
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    custom = number == builtin_number("CUSTOM")
    return Operator(
        name=(_text(code.customCode) if custom else "") or builtin_name(number),
        number=number,
        version=int(code.version),
        custom=custom,
        inputs=tuple(_at(tensors, i) if i >= 0 else None for i in _some(written.inputs)),
        outputs=tuple(_at(tensors, i) for i in _some(written.outputs)),
        options=_options(written),
    )


def _options(operator: Any) -> dict[str, Any]:
    """The options of a builtin operator, or of one of LCE's."""
    if operator.customOptions is not None and len(operator.customOptions):
        return custom_options(operator)
    options = operator.builtinOptions or getattr(operator, "builtinOptions2", None)
    return vars(options) if options is not None else {}


def _signature(written: Any, graphs: tuple[Graph, ...]) -> Signature:
    graph = _at(graphs, written.subgraphIndex)
    return Signature(
        name=_text(written.signatureKey),
        graph=int(written.subgraphIndex),
        inputs={_text(end.name): _at(graph.tensors, end.tensorIndex) for end in _some(written.inputs)},
        outputs={_text(end.name): _at(graph.tensors, end.tensorIndex) for end in _some(written.outputs)},
    )


def _tensor(index: int, written: Any, constants: _Constants) -> Tensor:
    name, shape = _text(written.name), tuple(int(n) for n in _some(written.shape)[: MOST_AXES + 1])
    if len(shape) > MOST_AXES or min(shape, default=0) < 0 or math.prod(shape) > MOST_ELEMENTS:
        raise NotAnArtifact(f'tensor "{name}" has the shape {shape}')  # before anybody multiplies it out
    signature = [int(n) for n in _some(written.shapeSignature)[: MOST_AXES + 1]]
    scales, zero_point, axis = _quantization(name, written.quantization)
    return Tensor(
        index=index,
        name=name,
        shape=shape,
        free_axes=tuple(i for i, n in enumerate(signature) if n < 0) if len(signature) == len(shape) else (),
        type=type_name(written.type),
        scales=scales,
        zero_point=zero_point,
        axis=axis,
        constant=constants.of(written),
        variable=bool(written.isVariable),
        sparse=written.sparsity is not None,
    )


def _quantization(name: str, written: Any) -> tuple[tuple[float, ...], int, int]:
    if written is None or written.scale is None or len(written.scale) == 0:
        return (), 0, 0
    scales = tuple(float(scale) for scale in written.scale)
    odd = next((scale for scale in scales if not math.isfinite(scale)), None)
    if odd is not None:
        raise NotAnArtifact(f'tensor "{name}" has the scale {odd}')
    zero_points = _some(written.zeroPoint)  # a file may leave them out: they are 0
    return scales, int(zero_points[0]) if len(zero_points) else 0, int(written.quantizedDimension)


def _at(parts: tuple[Any, ...], index: int) -> Any:
    if index < 0:  # which Python would take for one from the end
        raise NotAnArtifact(f"it points to its part {index}")
    return parts[index]


def _text(written: Any) -> str:
    if written is None:
        return ""
    return printable(written.decode(errors="replace") if isinstance(written, bytes) else str(written))


def _some(vector: Iterable[Any] | None) -> Any:
    """The schema's objects have None for an empty vector."""
    return [] if vector is None else vector
