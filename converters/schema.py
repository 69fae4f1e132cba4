"""TFLite's flatbuffer schema, as ai-edge-litert brings it: the one place that knows where it comes from."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from converters import bounded_schema

_ALIGNMENT = 16  # bytes; what the schema asks of a buffer's data
_ROOM_FOR_THE_REST = 1 << 18  # bytes
_MOST_OPTIONS = 64  # of an operator of LCE's, which has a dozen


# What the generated readers, and whoever believes what they have read, stumble over in foreign bytes.
DAMAGE = (
    *(struct.error, LookupError, TypeError, ValueError, AttributeError),
    *(ArithmeticError, MemoryError, RecursionError),
)


class NotAnArtifact(ValueError):
    """Bytes that are not a valid TFLite flatbuffer; the message says why."""


def read(content: bytes | bounded_schema.Mapped) -> Any:
    """The whole flatbuffer as the schema's objects (ModelT); weights stay views of `content`.

    Raises NotAnArtifact.
    """
    with _sound(content):
        model = objects().ModelT.InitFromPackedBuf(bounded_schema.bounded(content), 0)
        if not model.subgraphs or model.operatorCodes is None:
            raise NotAnArtifact("it holds no graph")
        return model


def objects() -> Any:
    """The schema's classes and numbers, for whoever makes or changes what `read` returns."""
    return bounded_schema.module()


def write(model: Any) -> bytes:
    """A flatbuffer of the schema's objects (ModelT). Constants begin at multiples of 16 bytes, as kernels like them."""
    import flatbuffers  # type: ignore[import-untyped]

    for buffer in model.buffers:
        buffer.Pack = lambda builder, buffer=buffer: _packed_buffer(builder, buffer.data)
    constants = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(constants + _ROOM_FOR_THE_REST)  # it grows by copying all it has
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _packed_buffer(builder: Any, data: Any) -> int:
    """BufferT.Pack with alignment: Python's FlatBuffers ignores the schema's force_align."""
    schema = objects()
    vector = _aligned_vector(builder, bytes(data)) if data is not None else None
    schema.BufferStart(builder)
    if vector is not None:
        schema.BufferAddData(builder, vector)
    return int(schema.BufferEnd(builder))


def _aligned_vector(builder: Any, data: bytes) -> int:
    builder.StartVector(1, len(data), _ALIGNMENT)
    first = builder.Head() - len(data)
    builder.head = first
    builder.Bytes[first : first + len(data)] = data
    return int(builder.EndVector())


def custom_operators(content: bytes) -> list[str]:
    """Names of the operators that are not TFLite's own, sorted."""
    with _sound(content):
        model = objects().Model.GetRootAs(bounded_schema.Content.of(content), 0)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        return sorted(code.CustomCode().decode() for code in codes if code.CustomCode() is not None)


def custom_options(operator: Any) -> dict[str, Any]:
    """The options of one of LCE's operators, which are a FlexBuffer map; of other people's, none that we know."""
    if operator.customOptions is None or len(operator.customOptions) == 0:
        return {}
    from flatbuffers import flexbuffers

    try:
        root = flexbuffers.GetRoot(bytes(bytearray(operator.customOptions)))
        options = root.AsMap if root.IsMap else None
        if options is None or len(options) > _MOST_OPTIONS:
            return {}
        pairs = ((options.Keys[i].AsKey, options.Values[i]) for i in range(len(options)))
        return {key: value.Value for key, value in pairs if _is_plain(value)}
    except Exception:  # somebody else's custom operator may keep its options in any form
        return {}


def _is_plain(value: Any) -> bool:
    """Vectors and maps may hold each other without end, and no operator of LCE's has one."""
    return bool(value.IsBool or value.IsInt or value.IsFloat or value.IsString or value.IsKey)


def builtin_number(name: str) -> int:
    """3 for CONV_2D."""
    return int(getattr(objects().BuiltinOperator, name))


def type_number(name: str) -> int:
    """0 for FLOAT32."""
    return int(getattr(objects().TensorType, name))


def builtin_name(number: int) -> str:
    """CONV_2D for 3."""
    return _name_of("BuiltinOperator", number)


def type_name(number: int) -> str:
    """FLOAT32 for 0."""
    return _name_of("TensorType", number)


def builtin_numbers() -> dict[str, int]:
    """Every builtin operator of the schema: CONV_2D is 3."""
    return _values("BuiltinOperator")


def _name_of(enumeration: str, number: int) -> str:
    names = (name for name, value in _values(enumeration).items() if value == number)
    return next(names, f"{enumeration.upper()}_{number}")


def _values(enumeration: str) -> dict[str, int]:
    """Of a generated class, in which Python notes numbers of its own: from 3.13 on __firstlineno__."""
    members = vars(getattr(objects(), enumeration))
    return {name: value for name, value in members.items() if not name.startswith("__")}


@contextmanager
def _sound(content: bytes | bounded_schema.Mapped) -> Iterator[None]:
    """The generated readers trust offsets: whatever they stumble over in foreign bytes is one kind of error."""
    if content[4:8] != b"TFL3":
        raise NotAnArtifact(f"expected the mark TFL3 at byte 4, got {content[4:8]!r}")
    try:
        yield
    except NotAnArtifact:
        raise
    except DAMAGE as error:
        raise NotAnArtifact(f"it is damaged ({type(error).__name__}: {error})") from error
