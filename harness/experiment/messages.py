"""What is said of a mistake in an experiment file: pydantic's errors in our sentences."""

from __future__ import annotations

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.errors import shown
from harness.experiment.brackets import Place, place_at
from harness.experiment.keys import declaration_of
from harness.experiment.nearest_key import nearest_key, plural_of, singular_of
from harness.experiment.toml_text import as_toml

Location = tuple[int | str, ...]

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
    """One sentence, with what to try where that can be said."""
    location = error["loc"][:1] + error["loc"][2:] if error["loc"][:2] == ("dataset", 0) else error["loc"]
    key = _key(location)
    if error["type"] == "extra_forbidden":
        return f"{key}: no such key\n  try: {nearest_key(_names(error['loc']))}"
    if error["type"] == "missing":
        return _missing(key, error)
    brackets = _of_brackets(error)
    if brackets:
        return brackets
    if error["type"] == "value_error" and isinstance(error["input"], dict):  # keys that do not go together
        return f"{key}: expected {_wanted(error)}"
    hint, got = _as_a_list(error), "a table" if isinstance(error["input"], dict) else _written(error["input"])
    return f"{key}: expected {_wanted(error)}, got {got}" + f"\n  try: {hint}" * bool(hint)


# ---------------------------------------------------------------------------------------------- one mistake at a time
def _missing(key: str, error: ErrorDetails) -> str:
    place, field = _declared(error["loc"])
    if place is not None:
        return (
            f"{place.heading}: expected this table, which says where pictures come from, got none\n"
            f'  try: {place.heading} with path = "pictures", or with kind = "planted" for generated ones'
        )
    hint = f"\n  try: {error['loc'][-1]} = {as_toml(declaration_of(field).example)}" if field is not None else ""
    return f"{key}: expected a value, got none{hint}"


def _of_brackets(error: ErrorDetails) -> str:
    """A table in the wrong number of brackets, or a table and a list of names taken for each other; "" for others."""
    value, location = error["input"], error["loc"]
    names = _names(location)
    place, name = place_at(names), ".".join(names)
    if place is None:
        return _tables_for_names(names, value)
    if place.several and isinstance(value, dict) and error["type"] == "list_type":
        return f"[{name}]: expected a table in double brackets, of which there may be several\n  try: [[{name}]]"
    if not place.several and isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return f"[[{name}]]: expected one table in single brackets, got one of several\n  try: [{name}]"
    if isinstance(value, dict):
        return ""
    got = f"{name}: expected {'tables' if place.several else 'a table'}, got {_written(value)}"
    plural = plural_of(names)
    texts = [value] if isinstance(value, str) else value
    if plural and isinstance(texts, list) and texts and all(isinstance(each, str) for each in texts):
        return f"{got}\n  try: {plural} = {as_toml(texts)}, or {place.heading} with its keys"
    return f"{got}\n  try: {place.heading}, and its keys below it"


def _tables_for_names(names: tuple[str, ...], value: Any) -> str:
    """[models] or [[models]], where `models` is a list of names and [[model]] is the table."""
    singular = singular_of(names)
    if singular is None or not isinstance(value, dict):
        return ""
    return f"{names[-1]}: expected a list of names, got a table\n  try: {singular.heading}"


def _as_a_list(error: ErrorDetails) -> str:
    """How a value is written that stands alone and wants to be in a list; "" for other mistakes."""
    if error["type"] != "list_type":
        return ""
    value, field = error["input"], _declared(error["loc"])[1]
    if not isinstance(value, dict):
        return f"{error['loc'][-1]} = {as_toml([value])}"
    return f"{error['loc'][-1]} = {as_toml(declaration_of(field).example)}" if field is not None else ""


# ------------------------------------------------------------------------------------------------------------- words
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


def _written(value: Any) -> str:
    return as_toml(value) if isinstance(value, bool) else shown(value)


def _key(location: Location) -> str:
    """("latency", "threads", 0) -> "[latency] threads, item 1", ("model", 0) -> "[[model]] 1"."""
    place = place_at(_names(location))
    if place is not None and isinstance(location[-1], int):
        return f"[[{'.'.join(place.path)}]] {location[-1] + 1}"
    *tables, last = location if isinstance(location[-1], str) else location[:-1]
    item = f", item {location[-1] + 1}" if isinstance(location[-1], int) else ""
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in tables)
    return (f"[{where}] {last}" if where else str(last)) + item


def _names(location: Location) -> tuple[str, ...]:
    return tuple(part for part in location if isinstance(part, str))


def _declared(location: Location) -> tuple[Place | None, FieldInfo | None]:
    """The table, or the field, that a location of the file stands for."""
    *tables, last = _names(location)
    inside = place_at(tuple(tables))
    return place_at(_names(location)), inside.table.model_fields.get(last) if inside is not None else None
