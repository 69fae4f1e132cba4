"""Which operators a TFLite flatbuffer uses, read without any runtime.

Only what the choice of a runtime needs. The file may be anybody's: every offset is checked, and a file that is not a
sound TFLite flatbuffer raises ValueError, never anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

CUSTOM = 32  # BuiltinOperator_CUSTOM in TFLite's schema


def custom_operators(path: str) -> list[str]:
    """Names of the custom operators that the artifact needs, sorted; builtin ones are left out."""
    content = Path(path).read_bytes()
    try:
        return sorted(set(_custom_codes(content)))
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not a sound TFLite flatbuffer: {error}") from error


def _custom_codes(content: bytes) -> Iterator[str]:
    if content[4:8] != b"TFL3":
        raise ValueError(f"not a TFLite flatbuffer: expected the mark TFL3 at byte 4, got {content[4:8]!r}")
    model = _u32(content, 0)
    codes = _field(content, model, 1)  # Model.operator_codes
    if codes is None:
        return
    vector = codes + _u32(content, codes)
    for index in range(min(_u32(content, vector), len(content) // 4)):
        slot = vector + 4 + 4 * index
        code = slot + _u32(content, slot)
        old = _field(content, code, 0)  # deprecated_builtin_code, one byte
        new = _field(content, code, 3)  # builtin_code, int32, since schema 3a
        builtin = max(_u8(content, old) if old is not None else 0, _u32(content, new) if new is not None else 0)
        name = _field(content, code, 1)  # custom_code
        if builtin == CUSTOM and name is not None:
            yield _string(content, name + _u32(content, name))


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


def _u8(content: bytes, at: int) -> int:
    return _slice(content, at, 1)[0]


def _u32(content: bytes, at: int) -> int:
    return int(struct.unpack("<I", _slice(content, at, 4))[0])


def _slice(content: bytes, at: int, size: int) -> bytes:
    if at < 0 or at + size > len(content):
        raise ValueError(f"not a sound TFLite flatbuffer: it points to byte {at}, and has {len(content)}")
    return content[at : at + size]
