"""What a section of the page is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports.sections.records import Records
from reports.sections.run_data import RunData

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The records of one chart; `split_by` names the fields by which a reader selects, and figures are split."""

    records: Records
    split_by: tuple[str, ...] = ()

    def options(self) -> dict[str, list[Any]]:
        """What can be selected."""
        return {field: list(dict.fromkeys(record[field] for record in self.records)) for field in self.split_by}


Charts = dict[str, Chart]  # by the name of their declaration in reports.drawing.figures


def no_charts(run: RunData) -> Charts:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section.

    anchor    its address on the page.
    contents  its name in the table of contents; `title` is its heading.
    template  a file in reports/templates, filled with the facts and with `charts`.
    facts     what the template needs, made of the run and of the section's own charts; None leaves the section out.
    charts    the charts whose records no other section has.
    """

    anchor: str
    contents: str
    title: str
    template: str
    facts: Callable[[RunData, Mapping[str, Chart]], Facts | None]
    charts: Callable[[RunData], Charts] = no_charts
