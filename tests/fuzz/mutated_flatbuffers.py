"""Flatbuffers that nobody should trust: sound ones, changed by bytes or by structure, always the same for a seed."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from converters import schema
from device import flatbuffer

ARTIFACTS = Path(__file__).parents[1] / "device" / "artifacts"
SOURCES = ("float", "int8", "lce")
HOSTILE_WORDS = (0, 1, 2, 16, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
HOSTILE_SIZES = (-(2**31), -1, 0, 1, 3, 7, 255, 4096, 65535, 2**20, 2**24, 2**30, 2**31 - 1)
Random = np.random.Generator


def mutated(seed: int) -> tuple[str, str, bytes]:
    """(source, kind of change, bytes): kinds and sources take turns."""
    random = np.random.default_rng(seed)
    source = SOURCES[seed % len(SOURCES)]
    name = list(KINDS)[seed // len(SOURCES) % len(KINDS)]
    return source, name, KINDS[name](sound(source), random)


@cache
def sound(source: str) -> bytes:
    return (ARTIFACTS / f"{source}.tflite").read_bytes()


def _bytes(content: bytes, random: Random) -> bytes:
    """A few bytes or words anywhere, or the end cut off."""
    changed = bytearray(content)
    for _ in range(random.integers(1, 9)):
        at = int(random.integers(0, len(changed) - 4))
        if random.random() < 0.5:
            changed[at] = int(random.integers(0, 256))
        else:
            struct.pack_into("<I", changed, at, int(random.choice([*HOSTILE_WORDS, random.integers(0, len(content))])))
    return bytes(changed[: random.integers(8, len(changed))] if random.random() < 0.1 else changed)


def _offsets(content: bytes, random: Random) -> bytes:
    """Where a table points to its parts."""
    return _with_words(content, random, offsets(content))


def _lengths(content: bytes, random: Random) -> bytes:
    """How many elements a vector says that it has."""
    return _with_words(content, random, lengths(content))


def _with_words(content: bytes, random: Random, places: list[int]) -> bytes:
    changed = bytearray(content)
    for at in random.choice(places, size=min(len(places), int(random.integers(1, 4))), replace=False):
        (old,) = struct.unpack_from("<I", content, at)
        near = (old + int(random.integers(-8, 9))) % 2**32
        word = int(random.choice([*HOSTILE_WORDS, near, random.integers(0, len(content))]))
        struct.pack_into("<I", changed, at, word)
    return bytes(changed)


def offsets(content: bytes) -> list[int]:
    return sorted({field for field, _ in _vectors(content)} | set(_elements(content)))


def lengths(content: bytes) -> list[int]:
    return sorted({vector for _, vector in _vectors(content)})


def _vectors(content: bytes) -> Iterator[tuple[int, int]]:
    """(where it is pointed to, where its length is) of the vectors of every table that a runtime reads."""
    for table, fields in _tables(content):
        for number in fields:
            field = flatbuffer._field(content, table, number)
            if field is not None:
                yield field, field + flatbuffer._u32(content, field)


def _elements(content: bytes) -> Iterator[int]:
    """Where vectors of tables point to their tables."""
    for table in _graphs(content):
        for number in (0, 3):
            start = flatbuffer._vector(content, table, number)
            yield from range(start + 4, start + 4 + 4 * flatbuffer._u32(content, start), 4)


def _tables(content: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Tables of TFLite's schema, with the numbers of their fields that are vectors or texts."""
    root = flatbuffer._u32(content, 0)
    yield root, (1, 2, 3, 4)
    for code in flatbuffer._tables(content, root, 1):
        yield code, (1,)
    for buffer in flatbuffer._tables(content, root, 4):
        yield buffer, (0,)
    for graph in _graphs(content):
        yield graph, (0, 1, 2, 3)
        for tensor in flatbuffer._tables(content, graph, 0):
            yield tensor, (0, 3)
        for operator in flatbuffer._tables(content, graph, 3):
            yield operator, (1, 2, 5)


def _graphs(content: bytes) -> Iterator[int]:
    yield from flatbuffer._tables(content, flatbuffer._u32(content, 0), 2)


def _rewritten(change: Callable[[Any, Random], None]) -> Callable[[bytes, Random], bytes]:
    """A change of the schema's objects, written as a sound flatbuffer: what it means is wrong, not how it is stored."""

    def rewrite(content: bytes, random: Random) -> bytes:
        model = copy.deepcopy(schema.read(content))
        for _ in range(random.integers(1, 4)):
            change(model, random)
        try:
            return schema.write(model)
        except (TypeError, struct.error):  # a value that the schema cannot hold
            return _bytes(content, random)

    return rewrite


def _one(items: Any, random: Random) -> Any:
    return items[int(random.integers(0, len(items)))]


def _shape(model: Any, random: Random) -> None:
    """Of the graph's input above all: no constant's size contradicts it, so the runtime takes it seriously."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[int(graph.inputs[0])] if random.random() < 0.5 else _one(graph.tensors, random)
    shape = [int(size) for size in (tensor.shape if tensor.shape is not None else [])]
    if shape and random.random() < 0.8:
        shape[int(random.integers(0, len(shape)))] = int(_one(HOSTILE_SIZES, random))
    else:
        shape = [int(_one(HOSTILE_SIZES, random)) for _ in range(random.integers(0, 12))]
    tensor.shape = shape


def _type(model: Any, random: Random) -> None:
    _one(model.subgraphs[0].tensors, random).type = int(random.integers(0, 24))


def _code(model: Any, random: Random) -> None:
    code = _one(model.operatorCodes, random)
    code.builtinCode = int(random.integers(0, 215))
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = int(random.integers(0, 12))


def _wiring(model: Any, random: Random) -> None:
    """Which tensors an operator, or the graph, reads and writes."""
    graph = model.subgraphs[0]
    holder = graph if random.random() < 0.2 else _one(graph.operators, random)
    side = "inputs" if random.random() < 0.6 else "outputs"
    wires = [int(index) for index in getattr(holder, side)]
    if wires and random.random() < 0.8:
        wires[int(random.integers(0, len(wires)))] = int(random.integers(-2, len(graph.tensors) + 2))
    else:
        wires = wires[:-1] if random.random() < 0.5 else wires + wires
    setattr(holder, side, wires)


def _options(model: Any, random: Random) -> None:
    operator = _one(model.subgraphs[0].operators, random)
    options = vars(operator.builtinOptions) if operator.builtinOptions is not None else {}
    numbers = [name for name, value in options.items() if isinstance(value, int)]
    if numbers:
        setattr(operator.builtinOptions, str(_one(numbers, random)), int(_one((-1, 0, 1, 7, 127), random)))
    elif operator.customOptions is not None and len(operator.customOptions):
        raw = bytearray(bytes(bytearray(operator.customOptions)))
        raw[int(random.integers(0, len(raw)))] = int(random.integers(0, 256))
        operator.customOptions = list(raw)


def _buffer(model: Any, random: Random) -> None:
    buffers = [buffer for buffer in model.buffers if buffer.data is not None and len(buffer.data)]
    buffer = _one(buffers, random)
    data = bytes(bytearray(buffer.data))
    what = random.random()
    if what < 0.4:
        data = data[: int(random.integers(0, len(data)))]
    elif what < 0.7:
        data = bytes(random.integers(0, 256, len(data), np.uint8))
    else:
        _one(model.subgraphs[0].tensors, random).buffer = int(random.integers(0, len(model.buffers) + 2))
    buffer.data = np.frombuffer(data, np.uint8)


def _quantization(model: Any, random: Random) -> None:
    quantization = _one(model.subgraphs[0].tensors, random).quantization
    if quantization is not None:
        count = int(random.integers(0, 4))
        quantization.scale = [float(_one((0.0, -1.0, 1e-45, 1e38, np.inf, np.nan), random))] * count
        quantization.zeroPoint = [int(_one((0, 255, -(2**40), 2**62), random))] * int(random.integers(0, 4))
        quantization.quantizedDimension = int(_one((-1, 0, 3, 99), random))


KINDS: dict[str, Callable[[bytes, Random], bytes]] = {
    "bytes": _bytes,
    "offsets": _offsets,
    "vector lengths": _lengths,
    "shapes": _rewritten(_shape),
    "types": _rewritten(_type),
    "operator codes": _rewritten(_code),
    "wiring": _rewritten(_wiring),
    "options": _rewritten(_options),
    "buffers": _rewritten(_buffer),
    "quantization": _rewritten(_quantization),
}
