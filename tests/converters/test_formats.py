"""Every format of the table turns a model that it fits into a flatbuffer with the same opinion."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters import FORMATS, ConversionError
from converters.tflite import Calibration, int8
from device.preprocessing import preprocess
from harness.datasets.dataset import stack
from harness.datasets.dataset_kinds import open_dataset
from harness.datasets.planted import PlantedDataset
from harness.devices.client import predict
from harness.devices.device import make_device
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from harness.registry import resolve
from harness.stages.conversion import pixel_levels

TWINS = {"full-precision": "planted-float", "binarized": "planted-binary"}
CASES = [(name, family) for name, spec in FORMATS.items() for family in spec.families if not spec.restriction]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {f: load_model(catalogue_model(name, CATALOGUE[name])) for f, name in TWINS.items()}


def calibrated(images: np.ndarray, record: dict[str, Any]) -> Calibration:
    return Calibration(images=lambda: preprocess(images, record), levels=pixel_levels(record))


@pytest.mark.parametrize(("name", "family"), CASES)
def test_artifact_predicts_what_its_keras_model_predicts(
    name: str, family: str, models: dict[str, Any], tmp_path: Path
) -> None:
    if name == "lce-original":
        pytest.importorskip("larq_compute_engine")
    record = CATALOGUE[TWINS[family]].preprocessing
    images, _ = stack(PlantedDataset(seed=1), "test", range(60))
    calibration, _ = stack(PlantedDataset(seed=1), "train", range(60))
    spec = FORMATS[name]
    content = resolve(spec.convert)(models[family], calibrated(calibration, record))
    content = resolve(spec.finish)(content) if spec.finish else content
    (tmp_path / "model.tflite").write_bytes(content)
    host = make_device({"name": "here", "kind": "local"})
    deployed = predict(host, tmp_path / "model.tflite", images, preprocessing=record).scores
    expected = models[family].predict(preprocess(images, record), verbose=0)
    assert (deployed.argmax(1) == expected.argmax(1)).mean() >= FORMATS[name].suspect_below


def test_conversion_is_repeatable_to_the_byte(models: dict[str, Any]) -> None:
    convert = resolve(FORMATS["fp32"].convert)
    assert convert(models["full-precision"]) == convert(models["full-precision"])


def test_binary_operators_make_the_artifact_much_smaller_than_floats(models: dict[str, Any]) -> None:
    sizes = {name: len(resolve(FORMATS[name].convert)(models["binarized"])) for name in ("fp32", "lce")}
    assert sizes["lce"] < sizes["fp32"] / 10


def test_int8_without_calibration_images_is_refused(models: dict[str, Any]) -> None:
    with pytest.raises(ConversionError, match="int8 needs calibration images"):
        int8(models["full-precision"])


CIFAR = os.environ.get("BITLENS_CIFAR10", "")


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR, reason="needs BITLENS_CIFAR10=/path/to/cifar10-jpeg.zip")
@pytest.mark.parametrize(("model_name", "name", "points"), [("cifar-float", "int8", 1.5), ("cifar-binary", "lce", 0.5)])
def test_accuracy_on_a_thousand_real_images_is_within_points_of_float(
    model_name: str, name: str, points: float, tmp_path: Path
) -> None:
    dataset = open_dataset("cifar10-archive", path=CIFAR, seed=0)
    order = np.random.default_rng(0).permutation(dataset.size("test"))[:1000]
    images, labels = stack(dataset, "test", order)
    calibration, _ = stack(dataset, "train", np.random.default_rng(0).permutation(dataset.size("train"))[:200])
    entry = CATALOGUE[model_name]
    model, record = load_model(catalogue_model(model_name, entry)), entry.preprocessing
    content = resolve(FORMATS[name].convert)(model, calibrated(calibration, record))
    (tmp_path / "model.tflite").write_bytes(content)
    host = make_device({"name": "here", "kind": "local"})
    deployed = predict(host, tmp_path / "model.tflite", images, preprocessing=record).scores
    accuracy = {
        "float": (model.predict(preprocess(images, record), verbose=0).argmax(1) == labels).mean(),
        name: (deployed.argmax(1) == labels).mean(),
    }
    print(model_name, accuracy)
    assert abs(accuracy["float"] - accuracy[name]) <= points / 100
