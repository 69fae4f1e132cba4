"""Whether an experiment file can be run as it is, before anybody is told to run it."""

from __future__ import annotations

from pathlib import Path

from harness.execution.own_models import completed
from harness.experiment.reader import read_experiment
from harness.plan.planner import each_unit
from harness.stages.context import RunContext
from harness.store.unit_inputs import UnitInputs


def check_runs(path: Path) -> int:
    """The number of its units of work. Raises ConfigError for whatever a run of it would refuse."""
    experiment = completed(read_experiment(path))
    dataset_of = RunContext(experiment, UnitInputs(path.parent)).dataset_of
    return len({unit.key for unit in each_unit(experiment, dataset_of)})
