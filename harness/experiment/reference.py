"""docs/experiment-file.md, made from the declarations of the keys; a test compares the two.

python -m harness.experiment.reference > docs/experiment-file.md
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from harness.devices.device import KINDS
from harness.devices.row import KEYS
from harness.experiment.brackets import Place, places
from harness.experiment.device_tables import fields_of_kind
from harness.experiment.json_schema import COMMENT, FILE, experiment_schema
from harness.experiment.keys import Declaration, JsonSchema, declaration_of
from harness.experiment.toml_text import as_toml
from harness.parameters import Parameter
from harness.quality.metrics.metric_table import METRICS

MOST_CHOICES = 9  # that a cell lists; for more, the meaning says where they are listed

_HEAD = f"""# The experiment file

`bitlens run FILE.toml` does what a TOML file asks. This page has every key of it, and is generated from the code that
reads it. `bitlens init` writes a first file for pictures and a model of yours, with a comment on each key.

The smallest one:

```toml
[dataset]
path = "pictures"

[[model]]
path = "mine.keras"
```

* Paths are relative to the file.
* Keys without a table come first, before the first `[table]`.
* A table in `[[two brackets]]` may stand several times, one in `[one]` only once.
* A key that is not on this page is refused, with the nearest one that is.

**In an editor.** `bitlens schema > {FILE}` writes a JSON schema of all this. An editor with TOML support (Even Better
TOML for VS Code, or any with Taplo) completes, explains and checks keys when the first line of the experiment file
names it:

```toml
{COMMENT}
```
"""

_KINDS = """
The other keys belong to kinds of devices ([Devices](devices.md) says more). They are the same in
`~/.config/bitlens/devices.toml`.
"""

_METHODS = """
The parameters of methods are listed in [Saliency](saliency.md#methods).
"""

_METRICS = """
The parameters of metrics; [Explanation quality](quality.md) says what each metric means.
"""

_TOP = ("key", "type", "default", "unit", "meaning", "example")


def reference() -> str:
    schema = experiment_schema()
    return "\n".join([_HEAD, *(_section(place, schema) for place in places())])


def _section(place: Place, schema: JsonSchema) -> str:
    properties = (schema["$defs"][place.table.__name__] if place.path else schema)["properties"]
    rows = [_row(name, properties[name], declaration_of(field)) for name, field in place.own_keys()]
    about = (place.table.__doc__ or "").partition("\n")[0]
    heading = f"## {place.heading or 'Before the first table'}"
    return "\n".join([heading, "", about, "", *_table(_TOP, rows), *_more(place)])


def _more(place: Place) -> Iterator[str]:
    if place.path == ("device",):
        yield _KINDS
        yield from _table(("key", "kinds", *_TOP[1:]), _rows_of_kinds())
    if place.path == ("saliency",):
        yield _METHODS.rstrip()
    if place.path == ("quality",):
        yield _METRICS
        yield from _table(("metric", "parameter", "valid", "default", "meaning"), _rows_of_metrics())
    yield ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield _line(head)
    yield "|" + "---|" * len(head)
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _row(name: str, schema: JsonSchema, said: Declaration) -> tuple[str, ...]:
    default = "required" if said.required else said.without or f"`{as_toml(said.default)}`"
    return f"`{name}`", type_of(schema), default, said.unit, said.says, f"`{name} = {as_toml(said.example)}`"


def _rows_of_kinds() -> Iterator[tuple[str, ...]]:
    defaults = {kind: fields_of_kind(kind) for kind in KINDS}
    for name, key in KEYS.items():
        kinds = [kind for kind, fields in defaults.items() if name in fields]
        if kinds:
            default = key.without or _default(defaults[kinds[0]][name])
            example = f"`{name} = {as_toml(key.example)}`"
            yield f"`{name}`", ", ".join(kinds), type_of(key.form), default, key.unit, key.says, example


def _default(value: Any) -> str:
    return "required" if value is dataclasses.MISSING else f"`{as_toml(value)}`"


def _rows_of_metrics() -> Iterator[tuple[str, ...]]:
    takers: dict[Parameter, list[str]] = {}
    for name, spec in METRICS.items():
        for parameter in spec.parameters:
            takers.setdefault(parameter, []).append(f"`{name}`")
    for each, names in takers.items():
        yield ", ".join(names), f"`{each.name}`", each.expected(), f"`{as_toml(each.default)}`", each.unit


def type_of(schema: JsonSchema) -> str:
    """What values of a schema are, in words."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(type_of, schema["anyOf"])))
    if "$ref" in schema:
        return "a name, or a table with parameters"
    if "const" in schema:
        return f"`{as_toml(schema['const'])}`"
    if "enum" in schema:
        choices = schema["enum"]
        return ", ".join(f"`{as_toml(each)}`" for each in choices) if len(choices) <= MOST_CHOICES else "text"
    kind = schema.get("type", "")
    if kind == "array":
        return f"list: {type_of(schema['items'])}"
    if isinstance(kind, list):
        return "text, number, true or false"
    return _WORDS[kind] + _bounds(schema)


_WORDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "object": "table"}


def _bounds(schema: JsonSchema) -> str:
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is None:
        return ""
    least = f" above {low:g}" if "exclusiveMinimum" in schema else f" from {low:,}"
    return least if high is None else f"{least} to {high:,}"


if __name__ == "__main__":
    print(reference(), end="")
