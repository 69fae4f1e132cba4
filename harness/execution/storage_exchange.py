"""What the coordinator and workers that do not see its folder leave for each other in a storage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigError
from harness.execution.task import TaskResult
from harness.experiment.experiment import Experiment
from harness.store.folder import is_disk_full
from harness.store.remote import Storage
from harness.store.unit_inputs import UnitInputs


def store_weights(experiment: Experiment, folder: Path, storage: Storage) -> dict[str, str]:
    """Leave the files of weights, and modules of layers, in the storage. Returns their names there by path."""
    unit_inputs, names = UnitInputs(folder / "blobs", storage), {}
    for model in experiment.models:
        if model.module is not None:
            names[model.module] = unit_inputs.save_blob(Path(model.module).read_bytes())
        path = model.weights_path
        if path is None or model.weights == "trained":  # ours come with bitlens
            continue
        if path.is_dir():
            raise ConfigError(
                f'model "{model.name}": --storage holds weights in one file, got the folder {path}',
                hint="an .h5 or .keras file, or a run folder that all workers see",
            )
        names[model.weights] = unit_inputs.save_blob(path.read_bytes())
    return names


def fetch_blobs(result: TaskResult, folder: Path, storage: Storage) -> TaskResult:
    """The same with the blobs that it names in the run's folder; a failed unit if they cannot be fetched."""
    if result.outcome is None:
        return result
    unit_inputs = UnitInputs(folder / "blobs", storage)
    try:
        for name, value in result.outcome.result.items():
            if name.endswith("blob") and value:
                unit_inputs.blob_path(value)
    except Exception as error:  # whatever a storage raises, besides Damaged
        reason = f"what a worker left in {storage.url} cannot be fetched ({type(error).__name__}: {error})"
        return replace(result, outcome=None, reason=reason, disk_full=is_disk_full(error))
    return result
