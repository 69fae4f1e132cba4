"""Where the tables of an experiment file stand, and in how many brackets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from harness.experiment.explanation_tables import NamedTable
from harness.experiment.keys import OneOrSeveral
from harness.experiment.schema import ExperimentFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One table. `path` is empty for the top of the file; `several` tables of its kind stand in two brackets."""

    path: tuple[str, ...]
    table: type[BaseModel]
    several: bool = False

    @property
    def heading(self) -> str:
        """As it is written: "[latency]", "[[quality.judge]]", "" for the top."""
        name = ".".join(self.path)
        return f"[[{name}]]" if self.several else f"[{name}]" * bool(name)

    def own_keys(self) -> Iterator[tuple[str, FieldInfo]]:
        """Its keys with what was declared of them, without the tables in it."""
        yield from ((name, field) for name, field in self.table.model_fields.items() if _table_in(field) is None)


@cache
def places() -> tuple[Place, ...]:
    """All of them: the top, and what stands in each, in the order of the file."""
    return tuple(_inside(Place(path=(), table=ExperimentFile)))


def place_at(path: tuple[str, ...]) -> Place | None:
    """The table of this path; None where none can stand."""
    return next((place for place in places() if place.path == path), None)


def _inside(place: Place) -> Iterator[Place]:
    yield place
    for name, field in place.table.model_fields.items():
        table = _table_in(field)
        if table is not None:
            several = _is_list(field.annotation) and not _may_be_one(field)
            yield from _inside(Place(path=(*place.path, name), table=table, several=several))


def _table_in(field: FieldInfo) -> type[BaseModel] | None:
    """The table that a key holds. Methods and metrics are values, by their name or with parameters."""
    return next((table for table in _models_in(field.annotation) if not issubclass(table, NamedTable)), None)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _may_be_one(field: FieldInfo) -> bool:
    return any(isinstance(each, OneOrSeveral) for each in field.metadata)


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is list or any(map(_is_list, getattr(annotation, "__args__", ())))
