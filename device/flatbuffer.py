"""Reading a TFLite flatbuffer's operators, and cutting it off behind one of them, without any runtime.

Only what choosing a runtime and profiling need. The file may be anybody's: every offset is checked, and a file that is
not a valid TFLite flatbuffer raises ValueError, never anything else.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CUSTOM = 32  # BuiltinOperator_CUSTOM in TFLite's schema
MOST_BYTES = 2**31 - 1  # its offsets are 31 bits wide
MOST_CODES, MOST_NAME_BYTES = 10_000, 1000  # TFLite has 200 operators
_MARK = b"TFL3"


@dataclass(frozen=True)
class Operator:
    """One operator of the main graph: its number, its name where it is a custom one, and the tensor that it writes
    first, None where it writes none. The host names the others: it has TFLite's schema."""

    builtin: int
    custom: str
    output: int | None


def custom_operators(path: str) -> list[str]:
    """Names of the custom operators that the artifact needs, sorted; builtin ones are left out."""
    with _clear_errors():
        return sorted({name for _, name in _operator_codes(read(path)) if name})


def read(path: str) -> bytes:
    """The bytes of a plain file that begins as a TFLite flatbuffer; nothing else is read further than that.

    Raises OSError, and ValueError with the reason for what cannot be one.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("not a valid TFLite flatbuffer: it is not a plain file")
        if status.st_size > MOST_BYTES:
            raise ValueError(f"not a valid TFLite flatbuffer: it has {status.st_size:,} bytes, more than are read")
        head = file.read(8)
        _require_mark(head)
        return head + file.read()


def operators(content: bytes) -> list[Operator]:
    """The main graph's operators, in the order in which they run."""
    with _clear_errors():
        codes = list(_operator_codes(content))
        return [
            Operator(*codes[_index(content, table)], _first(content, table, 2))
            for table in _tables(content, _graph(content), 3)
        ]


def prefix(content: bytes, count: int) -> bytes:
    """The same file, cut off behind its first `count` operators: what they wrote last becomes the graph's output."""
    whole = operators(content)
    if not 0 < count <= len(whole):
        raise ValueError(f"expected a number of operators from 1 to the file's {len(whole)}, got {count}")
    written = [operator.output for operator in whole[:count] if operator.output is not None]
    with _clear_errors():
        graph, cut = _graph(content), bytearray(content)
        outputs, body = _vector(content, graph, 2), _vector(content, graph, 3)
        if written and _u32(content, outputs):
            struct.pack_into("<Ii", cut, outputs, 1, written[-1])
        else:
            struct.pack_into("<I", cut, outputs, 0)
        struct.pack_into("<I", cut, body, count)
        return bytes(cut)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (struct.error, UnicodeDecodeError, IndexError, TypeError) as error:
        raise ValueError(f"not a valid TFLite flatbuffer: {error}") from error


def _operator_codes(content: bytes) -> Iterator[tuple[int, str]]:
    """(builtin number, name of a custom one) of each entry of Model.operator_codes."""
    _require_mark(content)
    for number, table in enumerate(_tables(content, _u32(content, 0), 1)):
        if number >= MOST_CODES:
            raise ValueError(f"not a valid TFLite flatbuffer: it lists more than {MOST_CODES:,} kinds of operators")
        old = _field(content, table, 0)  # deprecated_builtin_code, one byte; 3 is builtin_code since schema 3a
        builtin = max(_slice(content, old, 1)[0] if old is not None else 0, _scalar(content, table, 3))
        custom = _field(content, table, 1)
        if builtin == CUSTOM and custom is not None:
            yield builtin, _string(content, custom + _u32(content, custom))
        else:
            yield builtin, ""


def _require_mark(content: bytes) -> None:
    if content[4:8] != _MARK:
        raise ValueError(f"not a valid TFLite flatbuffer: expected the mark TFL3 at byte 4, got {content[4:8]!r}")


def _graph(content: bytes) -> int:
    for graph in _tables(content, _u32(content, 0), 2):  # Model.subgraphs; the first is the main one
        return graph
    raise ValueError("not a valid TFLite flatbuffer: it has no graph")


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
        raise ValueError("not a valid TFLite flatbuffer: a vector is missing")
    return field + _u32(content, field)


def _first(content: bytes, table: int, number: int) -> int | None:
    """The first element of a vector of numbers; None where it is empty or left out."""
    if _field(content, table, number) is None:
        return None
    vector = _vector(content, table, number)
    return _i32(content, vector + 4) if _u32(content, vector) else None


def _scalar(content: bytes, table: int, number: int) -> int:
    field = _field(content, table, number)
    return _i32(content, field) if field is not None else 0


def _index(content: bytes, operator: int) -> int:
    """Which operator code an operator has; Python would take -1 for the last one."""
    index = _scalar(content, operator, 0)
    if index < 0:
        raise ValueError(f"not a valid TFLite flatbuffer: an operator has the code {index}")
    return index


def _field(content: bytes, table: int, number: int) -> int | None:
    """Where a table's field is stored, or None when the table leaves it out."""
    vtable = table - struct.unpack("<i", _slice(content, table, 4))[0]
    entry = 4 + 2 * number
    if entry + 2 > struct.unpack("<H", _slice(content, vtable, 2))[0]:
        return None
    offset = int(struct.unpack("<H", _slice(content, vtable + entry, 2))[0])
    return table + offset if offset else None


def _string(content: bytes, at: int) -> str:
    size = _u32(content, at)
    if size > MOST_NAME_BYTES:
        raise ValueError(f"not a valid TFLite flatbuffer: a name has {size:,} bytes")
    return _slice(content, at + 4, size).decode("utf-8")


def _i32(content: bytes, at: int) -> int:
    return int(struct.unpack("<i", _slice(content, at, 4))[0])


def _u32(content: bytes, at: int) -> int:
    return int(struct.unpack("<I", _slice(content, at, 4))[0])


def _slice(content: bytes, at: int, size: int) -> bytes:
    if at < 0 or at + size > len(content):
        raise ValueError(f"not a valid TFLite flatbuffer: it points to byte {at}, and has {len(content)}")
    return content[at : at + size]
