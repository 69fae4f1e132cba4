"""TFLite's flatbuffer schema, as ai-edge-litert brings it: the one place that knows where it comes from."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class NotAnArtifact(ValueError):
    """Bytes that are not a sound TFLite flatbuffer; the message says why."""


def read(content: bytes) -> Any:
    """The whole flatbuffer as the schema's objects (ModelT); weights stay views of `content`.

    Raises NotAnArtifact.
    """
    from ai_edge_litert import schema_py_generated as schema

    with _sound(content):
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        if not model.subgraphs or model.operatorCodes is None:
            raise NotAnArtifact("it holds no graph")
        return model


def custom_operators(content: bytes) -> list[str]:
    """Names of the operators that are not TFLite's own, sorted."""
    from ai_edge_litert import schema_py_generated as schema

    with _sound(content):
        model = schema.Model.GetRootAs(content, 0)
        codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
        return sorted(code.CustomCode().decode() for code in codes if code.CustomCode() is not None)


def builtin_name(number: int) -> str:
    """CONV_2D for 3."""
    return _name_of("BuiltinOperator", number)


def type_name(number: int) -> str:
    """FLOAT32 for 0."""
    return _name_of("TensorType", number)


def _name_of(enumeration: str, number: int) -> str:
    from ai_edge_litert import schema_py_generated as schema

    values = vars(getattr(schema, enumeration))
    return next((name for name, value in values.items() if value == number), f"{enumeration.upper()}_{number}")


@contextmanager
def _sound(content: bytes) -> Iterator[None]:
    """The generated readers trust offsets: whatever they stumble over in foreign bytes is one kind of error."""
    if content[4:8] != b"TFL3":
        raise NotAnArtifact(f"expected the mark TFL3 at byte 4, got {content[4:8]!r}")
    try:
        yield
    except NotAnArtifact:
        raise
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, MemoryError, RecursionError) as error:
        raise NotAnArtifact(f"it is damaged ({type(error).__name__}: {error})") from error
