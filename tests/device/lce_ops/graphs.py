"""Writes small TFLite flatbuffers directly: the operators with any options, also those that no converter emits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import flexbuffers

TENSOR_TYPES = {"float32": 0, "int32": 2, "bool": 6, "int8": 9}
ADD, CONCATENATION, CONV, DEPTHWISE, FULLY_CONNECTED, MAX_POOL, MUL, CUSTOM, PAD = 0, 2, 3, 4, 9, 17, 18, 32, 34
PRELU = 54
# Builtin operators' options: their number in the schema's union, and the type of each field.
ADD_OPTIONS, POOL_OPTIONS = (11, "b"), (5, "biiiib")
CONV_OPTIONS, DEPTHWISE_OPTIONS = (1, "biibii"), (2, "biiibii")
FULLY_CONNECTED_OPTIONS = 8, "bbb"
CONCATENATION_OPTIONS, MUL_OPTIONS, PAD_OPTIONS = (10, "ib"), (21, "b"), (22, "")
NONE, RELU, RELU6 = 0, 1, 3  # activations


def words(channels: int) -> int:
    return -(-channels // 32)


def pack(negative: np.ndarray) -> np.ndarray:
    """Booleans (..., C) as int32 words (..., words(C)): bit c % 32 of word c / 32 is set where True."""
    padded = np.zeros((*negative.shape[:-1], words(negative.shape[-1]) * 32), bool)
    padded[..., : negative.shape[-1]] = negative
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<i4").reshape(*negative.shape[:-1], -1)


def unpack(packed: np.ndarray, channels: int) -> np.ndarray:
    """The inverse of `pack`."""
    as_bytes = np.ascontiguousarray(packed).view(np.uint8).reshape(*packed.shape[:-1], -1)
    return np.unpackbits(as_bytes, axis=-1, bitorder="little")[..., :channels].astype(bool)


def flexbuffer(values: dict[str, Any], width: int | None = None) -> bytes:
    """A FlexBuffers map of integers, in elements of `width` bytes, or of strings for values of that type."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for key in sorted(values):
            builder.Key(key)
            if isinstance(values[key], str):
                builder.String(values[key])
            else:
                builder.Int(values[key], width) if width else builder.Int(values[key])
    return bytes(builder.Finish())


def conv_options(channels_in: int, **changed: Any) -> dict[str, Any]:
    plain = {
        "channels_in": channels_in,
        "dilation_height_factor": 1,
        "dilation_width_factor": 1,
        "fused_activation_function": 0,
        "pad_values": 1,
        "padding": 0,
        "stride_height": 1,
        "stride_width": 1,
    }
    return {**plain, **changed}


def pool_options(window: tuple[int, int], stride: tuple[int, int], *, same: bool) -> dict[str, Any]:
    return {
        "filter_height": window[0],
        "filter_width": window[1],
        "stride_height": stride[0],
        "stride_width": stride[1],
        "padding": 0 if same else 1,
    }


@dataclass(frozen=True)
class Tensor:
    shape: tuple[int, ...]
    dtype: str
    data: bytes | None = None
    quantization: tuple[float, int] | None = None


# Of a custom operator, its bytes; of a builtin one, its table in the schema and that table's values.
Options = bytes | tuple[tuple[int, str], list[int]]


@dataclass
class Graph:
    """Tensors and operators by number, in order; `model` is the flatbuffer."""

    tensors: list[Tensor] = field(default_factory=list)
    operators: list[tuple[tuple[int, str], list[int], list[int], Options]] = field(default_factory=list)

    def tensor(self, shape: Any, dtype: str, data: Any = None, quantization: tuple[float, int] | None = None) -> int:
        raw = None if data is None else np.ascontiguousarray(data, dtype).tobytes()
        self.tensors.append(Tensor(tuple(int(n) for n in shape), dtype, raw, quantization))
        return len(self.tensors) - 1

    def custom(self, name: str, inputs: list[int], output: int, options: bytes = b"") -> int:
        self.operators.append(((CUSTOM, name), inputs, [output], options))
        return output

    def add(self, left: int, right: int, activation: int = NONE) -> int:
        output = self.tensor(self.tensors[left].shape, "float32")
        self.operators.append(((ADD, ""), [left, right], [output], (ADD_OPTIONS, [activation])))
        return output

    def max_pool(
        self, source: int, window: tuple[int, int], stride: tuple[int, int], *, same: bool, activation: int = NONE
    ) -> int:
        batch, *size, channels = self.tensors[source].shape
        out = [-(-n // s) if same else -(-(n - w + 1) // s) for n, w, s in zip(size, window, stride)]
        output = self.tensor((batch, *out, channels), "float32")
        values = [0 if same else 1, stride[1], stride[0], window[1], window[0], activation]
        self.operators.append(((MAX_POOL, ""), [source], [output], (POOL_OPTIONS, values)))
        return output

    def conv(
        self, source: int, weights: Any, bias: Any, stride: tuple[int, int], *, same: bool, activation: int = NONE
    ) -> int:
        """`weights` (filters, height, width, channels)."""
        filters, *window, _ = weights.shape
        options = [stride[1], stride[0], activation, 1, 1]
        return self._convolution(CONV, CONV_OPTIONS, options, source, weights, bias, (window, stride, same, filters))

    def depthwise(
        self, source: int, weights: Any, bias: Any, stride: tuple[int, int], *, same: bool, activation: int = NONE
    ) -> int:
        """`weights` (1, height, width, channels)."""
        _, *window, channels = weights.shape
        options = [stride[1], stride[0], 1, activation, 1, 1]
        where = window, stride, same, channels
        return self._convolution(DEPTHWISE, DEPTHWISE_OPTIONS, options, source, weights, bias, where)

    def _convolution(
        self, code: int, table: tuple[int, str], options: list[int], source: int, weights: Any, bias: Any, where: Any
    ) -> int:
        window, stride, same, channels = where
        batch, *size, _ = self.tensors[source].shape
        out = [-(-n // s) if same else -(-(n - w + 1) // s) for n, w, s in zip(size, window, stride)]
        output = self.tensor((batch, *out, channels), "float32")
        inputs = [source, self.tensor(weights.shape, "float32", weights), self.tensor([channels], "float32", bias)]
        self.operators.append(((code, ""), inputs, [output], (table, [0 if same else 1, *options])))
        return output

    def fully_connected(self, source: int, weights: Any, bias: Any = None, activation: int = NONE) -> int:
        """`weights` (outputs, inputs)."""
        rows = np.prod(self.tensors[source].shape, dtype=int) // weights.shape[1]
        output = self.tensor((rows, len(weights)), "float32")
        bias = -1 if bias is None else self.tensor([len(weights)], "float32", bias)
        inputs = [source, self.tensor(weights.shape, "float32", weights), bias]
        options = FULLY_CONNECTED_OPTIONS, [activation, 0, 0]
        self.operators.append(((FULLY_CONNECTED, ""), inputs, [output], options))
        return output

    def mul(self, source: int, factors: Any, activation: int = NONE) -> int:
        output = self.tensor(self.tensors[source].shape, "float32")
        constant = self.tensor(np.shape(factors), "float32", factors)
        self.operators.append(((MUL, ""), [source, constant], [output], (MUL_OPTIONS, [activation])))
        return output

    def prelu(self, source: int, slopes: Any) -> int:
        output = self.tensor(self.tensors[source].shape, "float32")
        constant = self.tensor(np.shape(slopes), "float32", slopes)
        self.operators.append(((PRELU, ""), [source, constant], [output], b""))
        return output

    def pad(self, source: int, paddings: list[tuple[int, int]]) -> int:
        shape = [n + before + after for n, (before, after) in zip(self.tensors[source].shape, paddings)]
        output, constant = self.tensor(shape, "float32"), self.tensor((len(paddings), 2), "int32", paddings)
        self.operators.append(((PAD, ""), [source, constant], [output], (PAD_OPTIONS, [])))
        return output

    def concatenate(self, parts: list[int]) -> int:
        channels = sum(self.tensors[part].shape[-1] for part in parts)
        output = self.tensor((*self.tensors[parts[0]].shape[:-1], channels), "float32")
        self.operators.append(((CONCATENATION, ""), parts, [output], (CONCATENATION_OPTIONS, [3, NONE])))
        return output

    def binary_conv(self, source: int, filters: Any, scales: Any) -> int:
        """LceBconv2d to floats, the map keeps its size; `filters` (filters, height, width, channels): negative?"""
        weights = self.tensor((*filters.shape[:3], words(filters.shape[3])), "int32", pack(filters))
        operands = [self.tensor([len(filters)], "float32", row) for row in scales]
        output = self.tensor((*self.tensors[source].shape[:3], len(filters)), "float32")
        options = flexbuffer(conv_options(filters.shape[3]))
        return self.custom("LceBconv2d", [source, weights, *operands, -1], output, options)

    def quantize(self, source: int) -> int:
        *outer, channels = self.tensors[source].shape
        return self.custom("LceQuantize", [source], self.tensor((*outer, words(channels)), "int32"))

    def model(self, inputs: list[int], outputs: list[int]) -> bytes:
        b = flatbuffers.Builder(1024)
        codes = sorted({code for code, *_ in self.operators})
        buffers = [_buffer(b, None)] + [_buffer(b, t.data) for t in self.tensors]
        tensors = [_tensor(b, t, i + 1, f"t{i}") for i, t in enumerate(self.tensors)]
        operators = [_operator(b, codes.index(code), i, o, options) for code, i, o, options in self.operators]
        subgraph = _table(
            b, 5, {0: _offsets(b, tensors), 1: _ints(b, inputs), 2: _ints(b, outputs), 3: _offsets(b, operators)}
        )
        code_tables = [_operator_code(b, *code) for code in codes]
        fields = {1: _offsets(b, code_tables), 2: _offsets(b, [subgraph]), 4: _offsets(b, buffers)}
        b.StartObject(5)
        b.PrependUint32Slot(0, 3, 0)
        for slot, offset in fields.items():
            b.PrependUOffsetTRelativeSlot(slot, offset, 0)
        b.Finish(b.EndObject(), file_identifier=b"TFL3")
        return bytes(b.Output())


def _table(b: flatbuffers.Builder, slots: int, offsets: dict[int, int]) -> int:
    b.StartObject(slots)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(b.EndObject())


def _offsets(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _ints(b: flatbuffers.Builder, values: Any) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, np.int32)))


def _buffer(b: flatbuffers.Builder, data: bytes | None) -> int:
    return _table(b, 1, {} if data is None else {0: b.CreateByteVector(data)})


def _tensor(b: flatbuffers.Builder, t: Tensor, buffer: int, name: str) -> int:
    offsets = {0: _ints(b, t.shape), 3: b.CreateString(name)}
    if t.quantization:
        scale = b.CreateNumpyVector(np.array([t.quantization[0]], np.float32))
        zero_point = b.CreateNumpyVector(np.array([t.quantization[1]], np.int64))
        offsets[4] = _table(b, 4, {2: scale, 3: zero_point})
    b.StartObject(5)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    b.PrependInt8Slot(1, TENSOR_TYPES[t.dtype], 0)
    b.PrependUint32Slot(2, buffer, 0)
    return int(b.EndObject())


def _operator(b: flatbuffers.Builder, code: int, inputs: list[int], outputs: list[int], options: Options) -> int:
    offsets, union = {1: _ints(b, inputs), 2: _ints(b, outputs)}, 0
    if isinstance(options, tuple):
        (union, types), values = options
        offsets[4] = _numbers(b, types, values)
    elif options:
        offsets[5] = b.CreateByteVector(options)
    b.StartObject(6)
    b.PrependUint8Slot(3, union, 0)
    b.PrependUint32Slot(0, code, 0)
    for slot, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(b.EndObject())


def _numbers(b: flatbuffers.Builder, types: str, values: list[int]) -> int:
    b.StartObject(len(types))
    for slot, (kind, value) in enumerate(zip(types, values)):
        (b.PrependInt8Slot if kind == "b" else b.PrependInt32Slot)(slot, value, 0)
    return int(b.EndObject())


def _operator_code(b: flatbuffers.Builder, builtin: int, custom: str) -> int:
    name = b.CreateString(custom) if custom else 0
    b.StartObject(4)
    b.PrependInt8Slot(0, builtin, 0)
    if name:
        b.PrependUOffsetTRelativeSlot(1, name, 0)
    b.PrependInt32Slot(2, 1, 0)
    b.PrependInt32Slot(3, builtin, 0)
    return int(b.EndObject())
