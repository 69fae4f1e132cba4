"""What all sections of the page share: the units of a run, its deployments as rows, and its scores."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.data.view import RunView
from reports.sections.records import Records


@dataclass(frozen=True, slots=True, kw_only=True)
class RunData:
    """One run, read and summarized once.

    rows           the comparison, one row per deployment.
    summary        mean scores of explanations.
    distributions  quantiles of latency, by deployment.
    choices        the scores that can stand for explanation quality.
    devices        the devices of the rows, and whether each has a latency to show.
    formats        in the order of the plan.
    """

    view: RunView
    rows: Records
    summary: pd.DataFrame
    distributions: Records
    choices: list[dict[str, str]]
    devices: Records
    formats: tuple[str, ...]
