"""The experiment file as a JSON schema, by which an editor completes, explains and checks it as it is written."""

from __future__ import annotations

import json
from typing import Any

from harness.experiment.keys import JsonSchema
from harness.experiment.parameter_schemas import DEFINED, definitions
from harness.experiment.schema import ExperimentFile

FILE = "bitlens.schema.json"  # its name beside experiment files
COMMENT = f"#:schema ./{FILE}"  # the first line of an experiment file, by which editors find it
TITLE = "An experiment of bitlens"
DRAFT = "http://json-schema.org/draft-07/schema#"  # what editors of TOML understand


def experiment_schema() -> JsonSchema:
    """Of everything that a file may hold; what only several keys together can show is left to the reader."""
    schema = ExperimentFile.model_json_schema()
    whole: JsonSchema = _tidy({**schema, "$defs": {**schema["$defs"], **definitions()}})
    return {"$schema": DRAFT, "title": TITLE, **whole}


def as_text() -> str:
    return json.dumps(experiment_schema(), indent=1, ensure_ascii=False) + "\n"


def _tidy(schema: Any) -> Any:
    """Without what says nothing in TOML: null, and titles that repeat a name. The unit joins the description."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if DEFINED in schema:
        return {"$ref": f"#/$defs/{schema[DEFINED]}"}
    tidy = {name: _value(name, value) for name, value in schema.items() if name not in ("title", "unit", "without")}
    if tidy.get("default", ...) is None:
        del tidy["default"]
    left = [each for each in tidy.get("anyOf", ()) if each != {"type": "null"}]
    if len(left) == 1:
        del tidy["anyOf"]
        tidy.update(left[0])
    elif left:
        tidy["anyOf"] = left
    return _described(tidy, unit=schema.get("unit", ""), without=schema.get("without", ""))


def _value(name: str, value: Any) -> Any:
    if name in ("properties", "$defs"):  # names of people's choice, and a schema for each
        return {key: _tidy(each) for key, each in value.items()}
    return value if name in ("default", "examples", "enum", "const") else _tidy(value)


def _described(schema: JsonSchema, *, unit: str, without: str) -> JsonSchema:
    more = [f"Unit: {unit}." * bool(unit), f"Without it: {without}." * bool(without)]
    if "description" in schema:
        schema["description"] = " ".join(filter(None, [schema["description"], *more]))
    return schema
