"""A model as the stages plan with it, of any name: nobody has its weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.models.catalogue import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleModel(Model):
    """Its record is what it is given, and names weights that are not looked for."""

    record: dict[str, Any]

    def spec(self) -> dict[str, Any]:
        return self.record


def example_model(record: dict[str, Any]) -> ExampleModel:
    known = {name: record[name] for name in ("name", "family", "preprocessing", "classes", "weights", "twin")}
    return ExampleModel(**known, build="harness.models.twins:float_twin", record=record)
