"""bitlens on a 64-bit ARM host, under emulation, beside the same on this machine: set-up, artifacts, maps, a report.

It takes minutes and 3 GB a system, which stay in the cache. Emulated time says nothing about a board.
"""

from __future__ import annotations

import csv
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.planted import CLASS_NAMES, draw
from harness.errors import BitlensError
from harness.native import build
from harness.store import Store
from tests.arm64_root import Arm64Root, arm64_root

pytestmark = pytest.mark.slow

SYSTEMS = {"bookworm": "3.11", "trixie": "3.13"}  # Raspberry Pi OS of these names has the same Python
EXPERIMENT = """
seed = 0
models = ["planted-float", "planted-binary"]
formats = ["fp32", "int8", "lce"]
dataset = { kind = "planted" }
conversion = { calibration_images = 8 }
accuracy = { images = 4 }
saliency = { images = 1, methods = [{ name = "gradient" }, { name = "gradcam" }] }
quality = { metrics = ["sparseness"] }
"""
# Of a map's greatest value. Sums of floats are rounded in another order there: 2.2e-6 was seen.
MAP_TOLERANCE = 2e-5
SCORES = 1e-4
# Every twin's artifact, without a run around it.
ARTIFACT_HASHES = """
import hashlib
from converters.lce import lce
from harness import keras_packages
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
keras_packages.set_up()
for name in ("planted-binary", "cifar-binary"):
    print(name, hashlib.sha256(lce(load_model(catalogue_model(name, CATALOGUE[name])))).hexdigest())
"""


@pytest.fixture(scope="module", params=SYSTEMS)
def there(request: pytest.FixtureRequest) -> Arm64Root:
    """A system in which `make setup` was the first command."""
    root = arm64_root(request.param)
    assert root.run("sh", "-c", "command -v cc gcc g++ clang").stdout == ""
    done = root.run("make", "setup")
    assert done.returncode == 0, done.stderr[-3000:]
    return root


@pytest.fixture(scope="module")
def operators(there: Arm64Root) -> None:
    """Our libraries, built here as a wheel's are: ziglang builds them there as well, in ten emulated minutes."""
    try:
        libraries = [build.library("aarch64"), build.floats_library("aarch64")]
    except BitlensError as error:
        pytest.skip(str(error))
    for library in libraries:
        place = there.folder / "root/.cache/bitlens/lce_ops" / library.parent.name
        place.mkdir(parents=True, exist_ok=True)
        build.remember(Path(shutil.copy(library, place)))


@pytest.fixture(scope="module")
def stores(
    there: Arm64Root, operators: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, Store]]:
    """The same experiment there and here."""
    here = tmp_path_factory.mktemp("here")
    (here / "small.toml").write_text(EXPERIMENT)
    (there.folder / "bitlens/small.toml").write_text(EXPERIMENT)
    done = there.run(".venv/bin/bitlens", "run", "small.toml", "--workers", "0")
    assert done.returncode == 0, done.stderr[-3000:]
    bitlens(here, "run", "small.toml", "--workers", "0")
    with Store(there.folder / "bitlens/runs/small") as theirs, Store(here / "runs/small") as ours:
        yield theirs, ours


def bitlens(folder: Path, *arguments: str) -> str:
    """The command of this checkout, on this machine. Returns what it printed."""
    command = [str(Path(sys.executable).with_name("bitlens")), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def artifacts(store: Store) -> dict[tuple[str, str], str]:
    """The name of each, which is its SHA-256, by model and format."""
    return {
        (unit.spec["model"]["name"], unit.spec["format"]): unit.result["blob"]
        for unit in store.planned_units()
        if unit.kind == "conversion"
    }


def maps(store: Store) -> dict[tuple[str, str], np.ndarray]:
    """By model and method."""
    return {
        (unit.spec["model"]["name"], unit.spec["method"]): store.load_array(unit.result["blob"])
        for unit in store.planned_units()
        if unit.kind == "saliency"
    }


def test_doctor_finds_an_arm_host_with_its_runtimes(there: Arm64Root) -> None:
    done = there.run(".venv/bin/bitlens", "doctor")
    assert done.returncode == 0, done.stderr
    assert "Cortex-A72" in done.stdout
    assert "runtime ai-edge-litert" in done.stdout


def test_every_unit_is_done_and_a_report_is_written(stores: tuple[Store, Store]) -> None:
    theirs, _ = stores
    assert {unit.status for unit in theirs.planned_units()} == {"done"}
    assert "</html>" in (theirs.folder / "report.html").read_text(encoding="utf-8")
    with (theirs.folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["model"], row["format"]): row for row in csv.DictReader(file)}
    assert rows.keys() >= set(artifacts(theirs))
    assert all(row["status"] == "done" and float(row["top1"]) == 1 for row in rows.values())


def test_lce_artifacts_are_the_same_bytes_as_here(stores: tuple[Store, Store]) -> None:
    theirs, ours = (artifacts(store) for store in stores)
    assert theirs["planted-binary", "lce"] == ours["planted-binary", "lce"]


def test_float_artifacts_are_the_same_bytes_as_those_of_the_same_tensorflow(
    there: Arm64Root, stores: tuple[Store, Store]
) -> None:
    if tensorflow_there(there) != version("tf-keras"):
        pytest.skip(f"needs TensorFlow {tensorflow_there(there)} here as well; converters of two versions differ")
    theirs, ours = (artifacts(store) for store in stores)
    for model in ("planted-float", "planted-binary"):
        assert theirs[model, "fp32"] == ours[model, "fp32"]


@functools.cache
def tensorflow_there(there: Arm64Root) -> str:
    """Of tf-keras, which has the same number."""
    code = "from importlib.metadata import version; print(version('tf-keras'))"
    return there.run(".venv/bin/python", "-c", code).stdout.strip()


def test_maps_are_those_of_this_machine(stores: tuple[Store, Store]) -> None:
    theirs, ours = (maps(store) for store in stores)
    assert theirs.keys() == ours.keys()
    for name, expected in ours.items():
        np.testing.assert_allclose(
            theirs[name], expected, rtol=0, atol=MAP_TOLERANCE * np.abs(expected).max(), err_msg=str(name)
        )


def test_explanation_of_a_picture_is_that_of_this_machine(there: Arm64Root, operators: None, tmp_path: Path) -> None:
    image, _, label = draw(0, "test", 2)
    for folder in (tmp_path, there.folder / "bitlens"):
        Image.fromarray(image).save(folder / "moon.png")
    arguments = ("explain", "planted-binary", "moon.png", "--method", "gradient", "--metric", "sparseness", "--json")
    done = there.run(".venv/bin/bitlens", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    (theirs,), (ours,) = json.loads(done.stdout), json.loads(bitlens(tmp_path, *arguments))
    assert theirs["predicted"][0]["name"] == ours["predicted"][0]["name"] == CLASS_NAMES[label]
    assert theirs["predicted"][0]["probability"] == pytest.approx(ours["predicted"][0]["probability"], abs=SCORES)
    for map_there, map_here in zip(theirs["maps"], ours["maps"], strict=True):
        assert map_there["sparseness"] == pytest.approx(map_here["sparseness"], abs=SCORES)


def test_convolutions_of_the_engine_are_the_definitions(there: Arm64Root, operators: None) -> None:
    """Sums of signs to the bit, Winograd's within its rounding: the very tests of this machine, executed there."""
    done = there.run(".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/harness/native")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "skipped" not in done.stdout


def test_lce_artifacts_of_all_twins_are_the_same_bytes(there: Arm64Root) -> None:
    done = there.run(".venv/bin/python", "-c", ARTIFACT_HASHES)
    here = subprocess.run([sys.executable, "-c", ARTIFACT_HASHES], capture_output=True, text=True, timeout=600)
    assert done.stdout.count("\n") == 2, done.stderr[-3000:]
    assert done.stdout == here.stdout
