"""What is said of a mistake in an experiment file: pydantic's errors in our sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from harness.errors import nearest, shown
from harness.experiment.schema import ExperimentFile

# ------------------------------------------------------------------------------ pydantic's errors in our sentences
_WANTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "string_type": "a text in quotes",
    "string_unicode": "a text in UTF-8",
    "bool_type": "true or false",
    "list_type": "a list in [brackets]",
    "dict_type": "a table such as { key = 1 }",
    "model_type": "a table",
    "finite_number": "a number that is neither NaN nor infinite",
    "missing": "a value",
    "too_short": "at least one",
}


def explain_mistake(error: ErrorDetails) -> str:
    location = error["loc"][:1] + error["loc"][2:] if error["loc"][:2] == ("dataset", 0) else error["loc"]
    key = _key(location)
    if error["type"] == "extra_forbidden":
        known = _fields_at(error["loc"][:-1])
        return f"{key}: no such key\n  try: {nearest(str(error['loc'][-1]), known)}"
    if error["type"] == "missing":
        return f"{key}: expected a value, got none"
    if error["type"] == "list_type" and isinstance(error["input"], dict) and _holds_tables(error["loc"]):
        return f"[{key}]: expected a table in two brackets, of which there may be several, got one\n  try: [[{key}]]"
    return f"{key}: expected {_wanted(error)}, got {_got(error['input'])}"


def _wanted(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] in ("greater_than_equal", "greater_than"):
        sign = ">=" if error["type"] == "greater_than_equal" else ">"
        return f"a number {sign} {context.get('ge', context.get('gt'))}"
    if error["type"] in ("less_than_equal", "less_than"):
        sign = "<=" if error["type"] == "less_than_equal" else "<"
        return f"a number {sign} {context.get('le', context.get('lt'))}"
    if error["type"] == "literal_error":
        return str(context["expected"]).replace("'", '"')
    if error["type"] == "value_error":
        return str(context["error"])
    return _WANTED.get(error["type"], error["msg"])


def _got(value: Any) -> str:
    return "a table without" if isinstance(value, dict) else shown(value)


def _key(location: tuple[int | str, ...]) -> str:
    """("latency", "threads", 0) -> "[latency] threads, item 1"."""
    *tables, last = location if isinstance(location[-1], str) else location[:-1]
    item = f", item {location[-1] + 1}" if isinstance(location[-1], int) else ""
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in tables)
    return (f"[{where}] {last}" if where else str(last)) + item


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at this place of the file may have."""
    table: Any = ExperimentFile
    for part in location:
        if isinstance(part, str):
            annotation = table.model_fields[part].annotation
            table = next(t for t in _tables_in(annotation))
    return list(table.model_fields)


def _holds_tables(location: tuple[int | str, ...]) -> bool:
    """Whether a key at the top of the file is for tables."""
    key = location[-1] if len(location) == 1 else ""
    return key in ExperimentFile.model_fields and any(_tables_in(ExperimentFile.model_fields[str(key)].annotation))


def _tables_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _tables_in(inner)
