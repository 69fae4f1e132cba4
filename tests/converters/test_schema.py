"""Operators and types have the names of TFLite's schema, on every Python."""

from __future__ import annotations

import pytest

from converters import schema


def test_names_and_numbers_are_those_of_the_schema() -> None:
    assert (schema.builtin_number("CONV_2D"), schema.builtin_name(3)) == (3, "CONV_2D")
    assert (schema.type_number("INT8"), schema.type_name(9)) == (9, "INT8")
    numbers = schema.builtin_numbers()
    assert [schema.builtin_name(number) for number in numbers.values()] == list(numbers)


def test_what_python_notes_of_a_class_names_no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema.objects().BuiltinOperator, "__firstlineno__", 7777, raising=False)  # as Python 3.13 does
    assert schema.builtin_name(7777) == "BUILTINOPERATOR_7777"
    assert 7777 not in schema.builtin_numbers().values()
