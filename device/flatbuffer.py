"""Reading a TFLite flatbuffer's operators, and cutting it off behind one of them, without any runtime.

Only what choosing a runtime and profiling need. The file may be anybody's: every offset is checked, and a file that is
not a sound TFLite flatbuffer raises ValueError, never anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CUSTOM = 32  # BuiltinOperator_CUSTOM in TFLite's schema
_NAMES = {  # of the builtin operators that image models are made of
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE",
    25: "SOFTMAX", 28: "TANH", 34: "PAD", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE",
    45: "STRIDED_SLICE", 49: "SPLIT", 53: "CAST", 54: "PRELU", 60: "PADV2", 61: "GREATER", 62: "GREATER_EQUAL",
    98: "LEAKY_RELU", 114: "QUANTIZE", 117: "HARD_SWISH",
}  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph: its name, and the tensor that it writes first."""

    name: str
    output: int


def custom_operators(path: str) -> list[str]:
    """Names of the custom operators that the artifact needs, sorted; builtin ones are left out."""
    with _clear_errors():
        return sorted({name for builtin, name in _operator_codes(Path(path).read_bytes()) if builtin == CUSTOM})


def operators(content: bytes) -> list[Operator]:
    """The main graph's operators, in the order in which they run."""
    with _clear_errors():
        codes = [name for _, name in _operator_codes(content)]
        return [
            Operator(codes[_scalar(content, table, 0)], _i32(content, _vector(content, table, 2) + 4))
            for table in _tables(content, _graph(content), 3)
        ]


def prefix(content: bytes, count: int) -> bytes:
    """The same file, cut off behind its first `count` operators: their last one's output becomes the graph's."""
    whole = operators(content)
    if not 0 < count <= len(whole):
        raise ValueError(f"expected a number of operators from 1 to the file's {len(whole)}, got {count}")
    last = whole[count - 1]
    with _clear_errors():
        graph, cut = _graph(content), bytearray(content)
        outputs, body = _vector(content, graph, 2), _vector(content, graph, 3)
        struct.pack_into("<Ii", cut, outputs, 1, last.output)
        struct.pack_into("<I", cut, body, count)
        return bytes(cut)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (struct.error, UnicodeDecodeError, IndexError, TypeError) as error:
        raise ValueError(f"not a sound TFLite flatbuffer: {error}") from error


def _operator_codes(content: bytes) -> Iterator[tuple[int, str]]:
    """(builtin number, name) of each entry of Model.operator_codes."""
    if content[4:8] != b"TFL3":
        raise ValueError(f"not a sound TFLite flatbuffer: expected the mark TFL3 at byte 4, got {content[4:8]!r}")
    for table in _tables(content, _u32(content, 0), 1):
        old = _field(content, table, 0)  # deprecated_builtin_code, one byte; 3 is builtin_code since schema 3a
        builtin = max(_slice(content, old, 1)[0] if old is not None else 0, _scalar(content, table, 3))
        custom = _field(content, table, 1)
        if builtin == CUSTOM and custom is not None:
            yield builtin, _string(content, custom + _u32(content, custom))
        else:
            yield builtin, _NAMES.get(builtin, f"BUILTIN_{builtin}")


def _graph(content: bytes) -> int:
    for graph in _tables(content, _u32(content, 0), 2):  # Model.subgraphs; the first is the main one
        return graph
    raise ValueError("not a sound TFLite flatbuffer: it has no graph")


def _tables(content: bytes, table: int, number: int) -> Iterator[int]:
    """Where the tables of a vector of tables begin; of a vector that is left out, none."""
    if _field(content, table, number) is None:
        return
    vector = _vector(content, table, number)
    for index in range(min(_u32(content, vector), len(content) // 4)):
        slot = vector + 4 + 4 * index
        yield slot + _u32(content, slot)


def _vector(content: bytes, table: int, number: int) -> int:
    """Where a vector's length is stored."""
    field = _field(content, table, number)
    if field is None:
        raise ValueError("not a sound TFLite flatbuffer: a vector is missing")
    return field + _u32(content, field)


def _scalar(content: bytes, table: int, number: int) -> int:
    field = _field(content, table, number)
    return _i32(content, field) if field is not None else 0


def _field(content: bytes, table: int, number: int) -> int | None:
    """Where a table's field is stored, or None when the table leaves it out."""
    vtable = table - struct.unpack("<i", _slice(content, table, 4))[0]
    entry = 4 + 2 * number
    if entry + 2 > struct.unpack("<H", _slice(content, vtable, 2))[0]:
        return None
    offset = int(struct.unpack("<H", _slice(content, vtable + entry, 2))[0])
    return table + offset if offset else None


def _string(content: bytes, at: int) -> str:
    return _slice(content, at + 4, _u32(content, at)).decode("utf-8")


def _i32(content: bytes, at: int) -> int:
    return int(struct.unpack("<i", _slice(content, at, 4))[0])


def _u32(content: bytes, at: int) -> int:
    return int(struct.unpack("<I", _slice(content, at, 4))[0])


def _slice(content: bytes, at: int, size: int) -> bytes:
    if at < 0 or at + size > len(content):
        raise ValueError(f"not a sound TFLite flatbuffer: it points to byte {at}, and has {len(content)}")
    return content[at : at + size]
