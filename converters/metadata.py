"""TFLite's metadata: what whoever published a flatbuffer says of its pixels and of its classes.

It is a flatbuffer inside the flatbuffer (metadata_schema.fbs of tflite-support, whose Python package ended with Python
3.11), of which two facts are read here; the names of classes stand in a zip archive behind the model.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite

from converters import bounded_schema, schema

NAME = b"TFLITE_METADATA"
MOST_LABEL_BYTES = 4 << 20
MOST_FILES = 1000  # of the archive
_MARK = b"M00"  # "M001" until now
# Numbers of fields in their tables, and of what a union or an enumeration may be.
_SUBGRAPHS = 3
_INPUTS, _OUTPUTS = 2, 3
_PROCESS_UNITS, _FILES = 4, 6
_NORMALIZATION, _MEAN, _STD = 1, 0, 1
_FILE_NAME, _FILE_TYPE, _AXIS_LABELS = 0, 2, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is said of the first input and the first output; empty where nothing is.

    mean, std  the input is (pixels - mean) / std: one number for all channels, or for each.
    labels     the name of each class.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


def metadata(content: bytes) -> Metadata:
    """Of a flatbuffer; nothing where it has none, or none that can be read. Raises NotAnArtifact for other bytes."""
    packed = _packed(content)
    if packed is None:
        return Metadata()
    try:
        [first, *_] = _root(packed).tables(_SUBGRAPHS)
        mean, std = _normalization(first.tables(_INPUTS))
        return Metadata(mean=mean, std=std, labels=_labels(content, first.tables(_OUTPUTS)))
    except schema.DAMAGE:
        return Metadata()


def _packed(content: bytes) -> bytes | None:
    model = schema.read(content)
    for entry in model.metadata or ():
        if entry.name == NAME:
            try:
                data = model.buffers[entry.buffer].data
            except schema.DAMAGE:
                return None
            return None if data is None else bytes(bytearray(data))
    return None


def _normalization(inputs: list[_Table]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    for unit in inputs[0].tables(_PROCESS_UNITS) if inputs else ():
        if unit.byte(0) == _NORMALIZATION and (options := unit.table(1)) is not None:
            mean, std = options.floats(_MEAN), options.floats(_STD)
            if mean and std and all(map(isfinite, mean)) and all(0 < each < inf for each in std):
                return mean, std
    return (), ()


def _labels(content: bytes, outputs: list[_Table]) -> tuple[str, ...]:
    files = outputs[0].tables(_FILES) if outputs else []
    names = [file.text(_FILE_NAME) for file in files if file.byte(_FILE_TYPE) == _AXIS_LABELS]
    return _lines(content, names[0]) if names else ()  # further ones are translations


def _lines(content: bytes, name: str) -> tuple[str, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if len(archive.infolist()) > MOST_FILES or archive.getinfo(name).file_size > MOST_LABEL_BYTES:
                return ()
            with archive.open(name) as file:
                text = file.read(MOST_LABEL_BYTES + 1)
    except Exception:  # zipfile and the three that unpack raise all sorts
        return ()
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return tuple(lines)


# ---------------------------------------------------------------------------------------------------------- reading
class _Table:
    """One table of a flatbuffer, whose fields go by number. A field that is left out is 0, "" or empty."""

    def __init__(self, content: bounded_schema.Content, at: int) -> None:
        self._content, self._table = content, bounded_schema.table(content, at)

    def byte(self, number: int) -> int:
        at = self._at(number)
        return 0 if at is None else self._content[at]

    def text(self, number: int) -> str:
        at = self._at(number)
        return "" if at is None else self._table.String(at).decode(errors="replace")

    def table(self, number: int) -> _Table | None:
        at = self._at(number)
        return None if at is None else _Table(self._content, self._table.Indirect(at))

    def tables(self, number: int) -> list[_Table]:
        return [_Table(self._content, self._table.Indirect(at)) for at in self._items(number)]

    def floats(self, number: int) -> tuple[float, ...]:
        flags = bounded_schema.number_types().Float32Flags
        return tuple(float(self._table.Get(flags, at)) for at in self._items(number))

    def _items(self, number: int) -> Iterator[int]:
        """Where each of a vector's items begins: offsets and floats take four bytes."""
        offset = self._table.Offset(4 + 2 * number)
        if offset:
            first, count = self._table.Vector(offset), self._table.VectorLen(offset)
            yield from range(first, first + 4 * count, 4)

    def _at(self, number: int) -> int | None:
        offset = self._table.Offset(4 + 2 * number)
        return int(self._table.Pos + offset) if offset else None


def _root(packed: bytes) -> _Table:
    if packed[4:7] != _MARK:
        raise ValueError("no metadata")
    content = bounded_schema.Content.of(packed)
    return _Table(content, int.from_bytes(packed[:4], "little"))
