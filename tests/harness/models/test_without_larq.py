"""An installation without Larq: what does not need it works, and what does says so in a sentence before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import keras_packages
from harness.devices import doctor
from harness.devices.device import make_device
from harness.errors import ConfigError
from harness.execution import coordinator
from harness.execution.sizing import WorkerConfig
from harness.experiment.reader import read_experiment
from harness.models import loading
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.store import Store
from tests.harness.small_experiment import EXPERIMENT

ROOT = Path(__file__).parents[3]
# An interpreter that finds no Larq reads a model file.
READING = """
import sys
sys.modules["larq"] = None
from harness import keras_packages
keras_packages.set_up()
from pathlib import Path
from harness.errors import ConfigError
from harness.models.completion import complete
from harness.models.declared import Declared
from harness.models.lookup import own_file
try:
    model = own_file(Path(sys.argv[1]), Declared(), output="", trusted=False, module=None)
    print(complete(model, []).model.classes, "classes")
except ConfigError as error:
    print(error)
"""


def lack(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    for module in (keras_packages, loading, doctor):
        monkeypatch.setattr(module, "is_installed", lambda package: package not in packages)


def check(*names: str) -> None:
    loading.check_installed(catalogue_model(name, CATALOGUE[name]) for name in names)


def test_models_that_are_made_with_larq_are_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lack(monkeypatch, "larq", "larq_zoo")
    with pytest.raises(ConfigError) as refused:
        check("planted-float", "mobilenet", "quicknet")
    assert str(refused.value) == (
        "models (planted-float, quicknet) are made with Larq, which is not installed\n  try: "
        + keras_packages.INSTALL_LARQ
    )


def test_models_of_keras_need_no_larq(monkeypatch: pytest.MonkeyPatch) -> None:
    lack(monkeypatch, "larq", "larq_zoo")
    check("mobilenet", "vgg16")


def test_twins_need_larq_without_its_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    lack(monkeypatch, "larq_zoo")
    check("planted-binary")
    with pytest.raises(ConfigError, match="quicknet"):
        check("quicknet")


def test_a_run_is_refused_before_it_begins_and_not_when_it_is_complete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "small.toml").write_text(EXPERIMENT)
    experiment, alone = read_experiment(tmp_path / "small.toml"), WorkerConfig(workers=0)
    with monkeypatch.context() as without:
        lack(without, "larq")
        with pytest.raises(ConfigError, match="planted-float"):
            coordinator.run(experiment, tmp_path / "run", worker_config=alone)
    with Store(tmp_path / "run") as store:
        assert not list(store.planned_units())
    coordinator.run(experiment, tmp_path / "run", worker_config=alone)
    lack(monkeypatch, "larq")
    assert coordinator.run(experiment, tmp_path / "run", worker_config=alone).done == 0


def test_doctor_lists_larq_for_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_device({"name": "this-host", "kind": "local"})
    assert any(finding.what.startswith("larq 0.") for finding in doctor.examine(device))
    lack(monkeypatch, "larq_zoo")
    (finding,) = [finding for finding in doctor.examine(device) if finding.what.startswith("larq_zoo: not installed")]
    assert (finding.severity, finding.hint) == ("warning", keras_packages.INSTALL_LARQ)


@pytest.mark.parametrize(
    ("package", "binarized", "name"),
    [("tf_keras", False, "mine.h5"), ("tf_keras", True, "mine.h5"), ("keras", False, "mine.keras")],
)
def test_a_file_of_keras_is_read_without_larq_and_one_of_larq_says_what_is_missing(
    package: str, binarized: bool, name: str, tmp_path: Path
) -> None:
    larq, keras = keras_packages.import_larq(), keras_packages.keras_package(package)
    image = keras.Input((12, 12, 3))
    convolution = larq.layers.QuantConv2D(4, 3) if binarized else keras.layers.Conv2D(4, 3)
    scores = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(convolution(image)))
    keras.Model(image, scores).save(tmp_path / name)
    said = subprocess.run(
        [sys.executable, "-c", READING, tmp_path / name], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    missing = f'layers of model "mine" are made with Larq, which is not installed\n  try: {keras_packages.INSTALL_LARQ}'
    assert said == (f"{missing}\n" if binarized else "3 classes\n")


def test_the_command_names_the_versions_that_the_project_is_tested_with() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    requirements = {word for word in keras_packages.LARQ_PAST_PIP.split() if "==" in word}
    assert {word for word in keras_packages.INSTALL_LARQ.split() if "==" in word} <= requirements
    assert [requirement for requirement in requirements if f"\n{requirement} " not in lock] == []


def test_installation_shows_the_command() -> None:
    assert f"\n    {keras_packages.LARQ_PAST_PIP}\n" in (ROOT / "docs" / "installation.md").read_text()
