"""TFLite's schema, read within bounds: no vector longer than its file, no table too many, no byte too often.

The generated readers believe what a file says of itself: a vector of four billion tables, or a thousand vectors that
all are the same one, would take all memory and time there is. They come to every vector, text and table by way of
FlatBuffers' class `Table`; here is a copy of their module whose `Table` counts.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

MOST_TABLES = 200_000  # a model of 10,000 operators has half of that
READINGS = 8  # how often each byte may be part of a vector or a text that is read; the readers ask two or three times
SPARE_BYTES = 1 << 20


class TooMuch(ValueError):
    """A file that would have to be read more often, or further, than any sound one."""


class _Bounded:
    """A file's bytes, and how much more of them may be read."""

    tables_left = MOST_TABLES
    bytes_left = 0

    def begin(self) -> None:
        self.tables_left, self.bytes_left = MOST_TABLES, READINGS * len(self) + SPARE_BYTES  # type: ignore[arg-type]

    def spend(self, size: int) -> None:
        self.bytes_left -= size
        if size > len(self) or self.bytes_left < 0:  # type: ignore[arg-type]
            raise TooMuch("its vectors are longer than the file")


class Content(_Bounded, bytes):
    """Of a file that fits into memory."""

    @classmethod
    def of(cls, content: bytes) -> Content:
        bounded = cls(content)
        bounded.begin()
        return bounded


class Mapped(_Bounded, mmap):
    """Of a file over 2 GB: only what is looked at is read from the disk."""

    @classmethod
    def of_file(cls, path: Path) -> Mapped:
        """Raises OSError."""
        with path.open("rb") as file:
            return cls(file.fileno(), 0, access=ACCESS_READ)


def bounded(content: bytes | Mapped) -> Content | Mapped:
    """To be read from its beginning."""
    if not isinstance(content, Mapped):
        return Content.of(content)
    content.begin()
    return content


@cache
def module() -> ModuleType:
    """ai-edge-litert's generated schema, with a `Table` that counts."""
    import flatbuffers  # type: ignore[import-untyped]

    spec = importlib.util.find_spec("ai_edge_litert.schema_py_generated")
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    parts = {name: getattr(flatbuffers, name) for name in ("encode", "number_types", "packer", "util")}
    vars(copy)["flatbuffers"] = SimpleNamespace(
        **parts, table=SimpleNamespace(Table=_counting(flatbuffers.table.Table))
    )
    return copy


def table(content: Content, at: int) -> Any:
    """A table of a flatbuffer of another schema, read within the same bounds."""
    return vars(module())["flatbuffers"].table.Table(content, at)


def number_types() -> Any:
    return vars(module())["flatbuffers"].number_types


def _counting(table: Any) -> Any:
    """A subclass of FlatBuffers' Table whose readings of a `Content` are bounded."""

    class Table(table):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, content: Any, at: int) -> None:
            super().__init__(content, at)
            if isinstance(content, _Bounded):
                content.tables_left -= 1
                if content.tables_left < 0:
                    raise TooMuch(f"it has more than {MOST_TABLES:,} tables")

        def VectorLen(self, offset: int) -> int:
            length = int(super().VectorLen(offset))
            self.Bytes.spend(length)
            return length

        def String(self, offset: int) -> bytes:
            at = self.Indirect(offset)
            self.Bytes.spend(self.Indirect(at) - at)  # the length that is stored there
            return bytes(super().String(offset))

    return Table
