"""Flatbuffers written by hand, by the schema's object API: operators with any options, also what no converter emits."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from converters import schema

DTYPES = {
    "FLOAT32": "<f4",
    "FLOAT16": "<f2",
    "INT8": "<i1",
    "UINT8": "<u1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
}
OPTIONS = {  # operators whose options are not called as they are
    "CONV_3D_TRANSPOSE": "Conv3D", "UNIDIRECTIONAL_SEQUENCE_RNN": "SequenceRNN", "MAX_POOL_2D": "Pool2D",
    "SUM": "Reducer", "RELU": "",
}  # fmt: skip
SECOND_UNION = ("STABLEHLO_COMPOSITE",)  # `builtinOptions2`


class Graph:
    """Tensors and operators by number, in order."""

    def __init__(self, file: Made, name: str) -> None:
        self._file, self.written = file, schema.objects().SubGraphT()
        self.written.name, self.written.tensors, self.written.operators = name, [], []
        self.written.inputs, self.written.outputs = [], []

    def tensor(
        self,
        *shape: int,
        kind: str = "FLOAT32",
        data: Any = None,
        scales: Sequence[float] = (),
        axis: int = 0,
        buffer: int | None = None,
        free: Sequence[int] = (),
        variable: bool = False,
        name: str = "",
    ) -> int:
        """`data` "ones" stands for a constant of ones, bytes for themselves; `free` are axes of any length."""
        tensor = schema.objects().TensorT()
        tensor.shape, tensor.type, tensor.isVariable, tensor.hasRank = (
            list(shape),
            schema.type_number(kind),
            variable,
            True,
        )
        tensor.name = name or f"tensor_{len(self.written.tensors)}"
        if free:
            tensor.shapeSignature = [-1 if i in free else size for i, size in enumerate(shape)]
        if isinstance(data, str):
            data = np.ones(shape, DTYPES[kind])
        elif data is not None and not isinstance(data, bytes):
            data = np.asarray(data, DTYPES[kind])
        tensor.buffer = self._file.buffer(data) if buffer is None else buffer
        if len(scales):
            tensor.quantization = schema.objects().QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.quantizedDimension = list(scales), axis
            tensor.quantization.zeroPoint = [0] * len(scales)
        self.written.tensors.append(tensor)
        return len(self.written.tensors) - 1

    def weights(self, *shape: int, **more: Any) -> int:
        return self.tensor(*shape, data="ones", **more)

    def input(self, *shape: int, **more: Any) -> int:
        index = self.tensor(*shape, **more)
        self.written.inputs.append(index)
        return index

    def output(self, *indices: int) -> None:
        self.written.outputs += indices

    def operator(
        self,
        name: str | int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        /,
        *,
        custom: str | None = None,
        version: int = 1,
        raw: bytes | None = None,
        **options: Any,
    ) -> int:
        """A number stands for an operator that the schema has no name for; the first output."""
        operator = schema.objects().OperatorT()
        operator.opcodeIndex = self._file.code(name, custom, version)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        operator.customOptions = list(raw) if raw is not None else None
        if isinstance(name, str) and custom is None:
            _set_options(operator, name, options)
        self.written.operators.append(operator)
        return outputs[0] if outputs else -1


class Made:
    """A file; `bytes(made)` is the flatbuffer. Buffer 0 is the empty one, as everywhere."""

    def __init__(self) -> None:
        self.model = schema.objects().ModelT()
        self.model.version, self.model.description, self.model.operatorCodes = 3, "made by hand", []
        self.model.subgraphs, self.model.buffers, self.model.signatureDefs, self.model.metadata = [], [], [], []
        self.buffer(None)
        self.buffer(None)

    def graph(self, name: str = "main") -> Graph:
        graph = Graph(self, name)
        self.model.subgraphs.append(graph.written)
        return graph

    def buffer(self, data: Any) -> int:
        if data is None and self.model.buffers:
            return 0
        buffer = schema.objects().BufferT()
        if data is not None:
            buffer.data = np.frombuffer(
                data if isinstance(data, bytes) else np.ascontiguousarray(data).tobytes(), np.uint8
            )
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def code(self, name: str | int, custom: str | None, version: int) -> int:
        code = schema.objects().OperatorCodeT()
        code.builtinCode = 32 if custom is not None else name if isinstance(name, int) else schema.builtin_number(name)
        code.deprecatedBuiltinCode, code.customCode, code.version = min(code.builtinCode, 127), custom, version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def metadata(self, name: str, data: bytes) -> None:
        entry = schema.objects().MetadataT()
        entry.name, entry.buffer = name, self.buffer(data)
        self.model.metadata.append(entry)

    def signature(self, name: str, graph: int, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        signature = schema.objects().SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name, graph
        signature.inputs, signature.outputs = _maps(inputs), _maps(outputs)
        self.model.signatureDefs.append(signature)

    def __bytes__(self) -> bytes:
        return schema.write(self.model)


def of(build: Callable[[Made, Graph], None]) -> Callable[[], bytes]:
    """A file of one graph, or of what `build` adds to it."""

    def made() -> bytes:
        file = Made()
        build(file, file.graph())
        return bytes(file)

    return made


def dense(graph: Graph, source: int, depth: int, units: int, *, batch: int = 1, **kinds: Any) -> int:
    """A fully connected layer of floats without biases."""
    output = graph.tensor(batch, units)
    return graph.operator("FULLY_CONNECTED", [source, graph.weights(units, depth, **kinds), -1], [output])


def with_constants_behind(content: bytes) -> bytes:
    """The same file with its constants behind the flatbuffer, as in files over 2 GB: buffers say where and how long."""
    model = schema.read(content)
    constants = [bytes(buffer.data) if buffer.data is not None else b"" for buffer in model.buffers]
    for buffer, data in zip(model.buffers, constants):
        buffer.data, buffer.offset, buffer.size = None, 2 if data else 0, len(data)
    start = -(-len(packed(model)) // 16) * 16  # the flatbuffer is as long, whatever the numbers in it are
    places = []
    for data in constants:
        places.append(start)
        start += -(-len(data) // 16) * 16
    for buffer, place, data in zip(model.buffers, places, constants):
        buffer.offset = place if data else 0
    front = packed(model)
    behind = b"".join(data.ljust(-(-len(data) // 16) * 16, b"\0") for data in constants)
    return front.ljust(-(-len(front) // 16) * 16, b"\0") + behind


def packed(model: Any) -> bytes:
    """By the generated writers: `schema.write` leaves the places of constants out."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def flexbuffer(values: dict[str, float]) -> bytes:
    """The options of a custom operator, as a map."""
    from flatbuffers import flexbuffers

    builder = flexbuffers.Builder()
    with builder.Map():
        for key in sorted(values):
            builder.Key(key)
            builder.Float(values[key]) if isinstance(values[key], float) else builder.Int(int(values[key]))
    return bytes(builder.Finish())


def string_tensor(*texts: bytes) -> bytes:
    """TFLite's own form of texts: their number, where each begins and the last ends, and the bytes."""
    start = 4 * (len(texts) + 2)
    ends = np.cumsum([start, *map(len, texts)])
    return struct.pack(f"<{len(texts) + 2}i", len(texts), *ends) + b"".join(texts)


def _maps(ends: dict[str, int]) -> list[Any]:
    maps = []
    for name, index in ends.items():
        entry = schema.objects().TensorMapT()
        entry.name, entry.tensorIndex = name, index
        maps.append(entry)
    return maps


def _set_options(operator: Any, name: str, options: dict[str, Any]) -> None:
    objects = schema.objects()
    wanted = f"{OPTIONS.get(name, name.replace('_', ''))}OptionsT".lower()
    written = next((value for key, value in vars(objects).items() if key.lower() == wanted), None)
    if written is None:
        assert not options, f"{name} has no options"
        return
    made, union = written(), "BuiltinOptions2" if name in SECOND_UNION else "BuiltinOptions"
    for key, value in options.items():
        value = list(value) if isinstance(value, bytes) else value
        assert hasattr(made, key), f"{name} has no option {key}"
        setattr(made, key, value)
    kind = getattr(getattr(objects, union), type(made).__name__.removesuffix("T"))
    setattr(operator, f"b{union[1:]}", made)
    setattr(operator, f"b{union[1:]}Type", kind)
