"""Every key is declared once, and the page of all keys is what the declarations say."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import tomllib
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harness.devices.device import KINDS, make_device
from harness.devices.row import KEYS
from harness.experiment.brackets import Place, places
from harness.experiment.device_tables import fields_of_kind
from harness.experiment.keys import declaration_of
from harness.experiment.model_tables import PreprocessingTable
from harness.experiment.reference import reference, type_of
from harness.experiment.toml_text import as_toml
from harness.models.declared import Declared

PAGE = Path(__file__).parents[3] / "docs" / "experiment-file.md"
EVERY_KEY = [(place, name, field) for place in places() for name, field in place.own_keys()]
IDS = [f"{place.heading or 'top'} {name}" for place, name, _ in EVERY_KEY]
BESIDE = {"cpus": {"threads": [1]}}  # what a key's example needs


def test_the_page_is_what_the_declarations_say() -> None:
    assert PAGE.read_text() == reference(), "run: python -m harness.experiment.reference > docs/experiment-file.md"


@pytest.mark.parametrize(("place", "name", "field"), EVERY_KEY, ids=IDS)
def test_a_key_has_a_sentence_and_an_example_that_says_more_than_its_default(
    place: Place, name: str, field: FieldInfo
) -> None:
    said = declaration_of(field)
    assert said.says.endswith(".")
    assert said.example is not None
    assert said.example != said.default
    assert said.required or said.without or said.default is not None


@pytest.mark.parametrize(("place", "name", "field"), EVERY_KEY, ids=IDS)
def test_the_example_of_a_key_is_a_value_that_the_reader_takes(place: Place, name: str, field: FieldInfo) -> None:
    example = tomllib.loads(f"{name} = {as_toml(declaration_of(field).example)}")
    errors: list[ErrorDetails] = []
    try:
        place.table.model_validate({**BESIDE.get(name, {}), **example})
    except ValidationError as error:
        errors = error.errors()
    assert [each for each in errors if each["loc"][:1] == (name,)] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_of_a_device_s_keys_are_a_row(kind: str) -> None:
    assert make_device({"name": "x", "kind": kind, **{name: KEYS[name].example for name in fields_of_kind(kind)}})


def test_a_key_of_preprocessing_is_a_part_of_what_is_declared_of_a_model() -> None:
    declared = {field.name for field in dataclasses.fields(Declared)}
    assert set(PreprocessingTable.model_fields) <= declared


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1, "maximum": 1000}, "integer from 1 to 1,000"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 10}, "number above 0 to 10"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, 'list: `"a"`, `"b"`'),
        ({"anyOf": [{"type": "integer"}, {"const": "all"}]}, 'integer or `"all"`'),
        ({"enum": list("abcdefghij")}, "text"),
    ],
)
def test_a_type_is_said_in_words(schema: dict[str, object], words: str) -> None:
    assert type_of(schema) == words


@pytest.mark.parametrize(
    "value", [{}, {"a b": [1, "x"], "c": {"d": True}}, 'a "quoted" \\ \x7f\x00é', [1.5, -2, False]]
)
def test_a_value_is_written_as_toml_reads_it(value: object) -> None:
    assert tomllib.loads(f"value = {as_toml(value)}") == {"value": value}
