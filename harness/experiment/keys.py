"""How a key of the experiment file is declared: once, for the reader, the JSON schema, the page of docs and `init`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticUndefined, core_schema

JsonSchema = dict[str, Any]


def key(default: Any = ..., *, says: str, example: Any, unit: str = "", without: str = "") -> Any:
    """One key of a table; without a default it has to be there.

    says     what it is for.
    example  a value that the key may have.
    without  what happens where it is left out, if no default value says it.
    """
    return Field(default, description=says, examples=[example], json_schema_extra={"unit": unit, "without": without})


@dataclass(frozen=True, slots=True)
class Declaration:
    """What was declared of one key, as its readers want it."""

    says: str
    example: Any
    unit: str
    without: str
    default: Any
    required: bool


def declaration_of(field: FieldInfo) -> Declaration:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = field.get_default(call_default_factory=True)
    return Declaration(
        says=field.description or "",
        example=(field.examples or [None])[0],
        unit=str(extra.get("unit", "")),
        without=str(extra.get("without", "")),
        default=None if default is PydanticUndefined else default,
        required=field.is_required(),
    )


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The texts that a value, or an item of it, may be; empty where it is something else."""
    return next(_choices((field.annotation, *field.metadata)), ())


def _choices(parts: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    for part in parts:
        if isinstance(part, OneOf):
            yield part.values
        elif isinstance(part, InEditors) and "enum" in part.schema:
            yield tuple(part.schema["enum"])
        elif get_origin(part) is Literal:
            yield get_args(part)
        else:
            yield from _choices((*getattr(part, "__metadata__", ()), *get_args(part)))


@dataclass(frozen=True, slots=True)
class OneOf:
    """The type of a text that is one of these, in `Annotated`."""

    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(list(self.values))


@dataclass(frozen=True, slots=True)
class OneOrSeveral:
    """The type of a list, in `Annotated`, of which a single item of this kind may stand alone."""

    kind: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._as_list, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        schema = handler(core)
        return {"anyOf": [schema["items"], schema]}

    def _as_list(self, value: Any) -> Any:
        return [value] if isinstance(value, self.kind) else value


@dataclass(frozen=True, slots=True, eq=False)
class InEditors:
    """What editors are told of a key's values, in `Annotated`, where the reader's own check is a function."""

    schema: JsonSchema

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        return dict(self.schema)
