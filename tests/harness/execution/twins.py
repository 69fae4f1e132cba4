"""The experiment of the twins, cut small: committed weights, generated images, nothing that is timed."""

from __future__ import annotations

from pathlib import Path

from harness.execution.coordinator import run
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment

TINY = """
models = ["planted-float", "planted-binary"]
formats = ["fp32"]
[dataset]
kind = "planted"
[accuracy]
images = 8
[saliency]
images = 4
batch = 1
methods = [{{ name = "gradient" }}, {{ name = "gradcam" }}]
[quality]
metrics = ["mass_in_object", "sparseness"]
[agreement]
twins = true
[[device]]
name = "this-host"
kind = "local"
"""

SMALL = """
models = ["planted-float", "planted-binary"]
formats = ["fp32"]
[dataset]
kind = "planted"
[accuracy]
images = 16
[saliency]
images = 6
batch = {batch}
controls = true
methods = [
    {{ name = "gradient" }},
    {{ name = "smoothgrad", noise_level = 0.1, samples = 4 }},
    {{ name = "gradcam" }},
]
[quality]
metrics = ["insertion_auc", "mass_in_object", "sparseness"]
[agreement]
twins = true
[[device]]
name = "this-host"
kind = "local"
"""

# Every stage that times nothing, also those that take long.
WHOLE = (
    SMALL.replace('["fp32"]', '["fp32", "int8", "lce"]').replace('"sparseness"', '"sparseness", "deletion_naopc"')
    + """
[conversion]
calibration_images = 32
[sanity]
checks = ["parameter_randomisation"]
methods = [{{ name = "gradcam" }}]
images = 4
[amplification]
noise_levels = [0.1]
images = 6
"""
)


def written(folder: Path, text: str = SMALL, *, batch: int = 3) -> Path:
    """The experiment file in this folder."""
    path = folder / "twins.toml"
    path.write_text(text.format(batch=batch))
    return path


def undisturbed(experiment: Path) -> Path:
    """The folder of its run by one process, as `bitlens run --workers 0` does it."""
    folder = experiment.parent / "undisturbed"
    summary = run(read_experiment(experiment), folder, worker_config=WorkerConfig(workers=0))
    assert summary.failed == 0
    return folder
