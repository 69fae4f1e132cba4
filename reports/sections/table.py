"""All deployments, one row each."""

from __future__ import annotations

from collections.abc import Mapping

from reports.sections.run_data import RunData
from reports.sections.section import Chart, Facts


def facts(run: RunData, charts: Mapping[str, Chart]) -> Facts:
    return {"rows": run.rows}
