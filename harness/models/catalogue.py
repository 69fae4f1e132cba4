"""The models that have a name: the paper's ten and our twins. Facts only; nothing here imports TensorFlow.

A model is architecture, weights and preprocessing. The user's own files become the same record in `experiment`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.models.declared import NORMALIZATIONS, Declared
from harness.outputs import PROBABILITIES

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEntry:
    """A model we can build by name. `build` names a function (image_size, classes) -> Keras model."""

    family: str  # "full-precision" or "binarized"
    build: str
    preprocessing: dict[str, Any]
    classes: int
    weights: str  # what `weights` is when the experiment does not say: "trained" or "imagenet"
    paper: str
    twin: str | None = None
    shuffled: str | None = None  # the model that this one is, had its labels not been shuffled


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model with its weights chosen, ready to be loaded by `harness.models.loading`.

    weights  "trained" (ours, committed), "imagenet" (the model hub's), "random" (latency only), or a file's path.
    output   what its outputs are, one of `harness.outputs.KINDS`; "" for a file of which that is yet to be found.
    build    reference of the building function, or "" when the file holds the architecture too.
    module   the Python file with the user's own layers in the file of a trusted model.
    class_map  which class of its outputs each label is; None where they are the same.
    is_flatbuffer  a finished artifact of the user's own: it is deployed as it is, and has no layers.
    unscored why accuracy is not defined for a flatbuffer, which is then only measured; "" for a classifier.
    keras    of a flatbuffer: a Keras file of the same model, of the same preprocessing, which has gradients.
    seed_of  the name of the model of which this is another training run; results do not depend on it.
    reference  the name of the model that a flatbuffer is compared with; None for its Keras file, or nothing.
    declared what is said of the user's own file: there until `harness.models.completion` has filled in the rest.
    """

    name: str
    family: str
    preprocessing: dict[str, Any]
    classes: int
    weights: str
    output: str = PROBABILITIES  # all models of the catalogue end in a softmax
    build: str = ""
    twin: str | None = None
    seed_of: str | None = None
    shuffled: str | None = None  # see CatalogueEntry
    seed: int = 0
    trusted: bool = False
    quantization_aware: bool = False  # trained with fake quantization: int8 ranges are then its own
    module: str | None = None
    class_map: tuple[int, ...] | None = None
    is_flatbuffer: bool = False
    unscored: str = ""
    keras: Model | None = None
    reference: str | None = None
    declared: Declared | None = None

    @property
    def float_model(self) -> Model:
        """What explains and judges on the host, under the same name: a flatbuffer's Keras file, or the model itself."""
        return self.keras or self

    @property
    def weights_path(self) -> Path | None:
        """The local file that holds the weights, if one does."""
        if self.weights == "trained":
            return WEIGHTS / f"{self.name}.h5"
        return None if self.weights in ("imagenet", "random") else Path(self.weights)

    @property
    def packages(self) -> tuple[str, ...]:
        """What must be installed to build it, beside TensorFlow and Keras."""
        if self.is_flatbuffer:
            return ()
        if self.build.startswith("larq_zoo."):
            return ("larq", "larq_zoo")
        if self.build.startswith("harness.") or (not self.build and self.family == "binarized"):
            return ("larq",)
        return ()

    def spec(self) -> dict[str, Any]:
        """All that determines this model's outputs, as plain data: part of the key of every unit that uses it."""
        return {
            "name": self.name,
            "family": self.family,
            "twin": self.twin,
            "preprocessing": self.preprocessing,
            "classes": self.classes,
            "weights": self.weights if self.weights in ("trained", "imagenet", "random") else "file",
            "weights_sha256": self._weights_sha256(),
            **({"shuffled": self.shuffled} if self.shuffled else {}),
            **({"output": self.output} if self.output != PROBABILITIES else {}),
            **({"unscored": self.unscored} if self.unscored else {}),
            **({"class_map": list(self.class_map)} if self.class_map is not None else {}),
            **({"module_sha256": self._sha256_of_files("its module", Path(self.module))} if self.module else {}),
        }

    def _weights_sha256(self) -> str:
        path = self.weights_path
        if path is None:
            return hashlib.sha256(f"{self.build} {self.weights} {self.seed}".encode()).hexdigest()
        return self._sha256_of_files("weights", path)

    def _sha256_of_files(self, what: str, path: Path) -> str:
        if not path.exists():
            raise ConfigError(f'model "{self.name}": expected {what}, found no file "{path}"')
        if not (path.is_file() or path.is_dir()):  # reading a pipe or a device would never end
            raise ConfigError(f'model "{self.name}": expected {what} in a file or folder, "{path}" is neither')
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        digest = hashlib.sha256()
        try:
            for file in files:
                content = _sha256_of(file, file.stat().st_mtime_ns, file.stat().st_size)
                digest.update(os.fsencode(file.name) + content)
        except OSError as error:
            raise ConfigError(f'model "{self.name}": "{path}" could not be read ({error.strerror})') from error
        return digest.hexdigest()


@cache
def _sha256_of(file: Path, modified_ns: int, size: int) -> bytes:
    """A plan names a model's weights once for every unit: the file is read again only when it changed."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def _record(size: int, normalization: str, *, resize: int) -> dict[str, Any]:
    preset = NORMALIZATIONS[normalization]
    mean, scale = (list(numbers) * (3 // len(numbers)) for numbers in preset.in_order(preset.order))
    return {
        "height": size,
        "width": size,
        "resize": resize,
        "channel_order": preset.order,
        "mean": mean,
        "scale": scale,
    }


def minus_one_to_one(size: int, *, resize: int | None = None) -> dict[str, Any]:
    """Pixels 0 … 255 to -1 … 1."""
    return _record(size, "tf", resize=resize or size)


_CAFFE = _record(224, "caffe", resize=256)
_RAW = _record(224, "none", resize=256)  # EfficientNet rescales inside the model
_TORCH = _record(224, "torch", resize=256)  # as larq_zoo.preprocess_input


def _imagenet(build: str, paper: str, preprocessing: dict[str, Any], *, family: str) -> CatalogueEntry:
    return CatalogueEntry(
        family=family, build=build, preprocessing=preprocessing, classes=1000, weights="imagenet", paper=paper
    )


def _keras(name: str, paper: str, preprocessing: dict[str, Any]) -> CatalogueEntry:
    build = f"tf_keras.applications:{name}"
    return _imagenet(build, paper, preprocessing, family="full-precision")


def _larq(path: str, paper: str) -> CatalogueEntry:
    return _imagenet(f"larq_zoo.{path}", paper, _TORCH, family="binarized")


def _twin(name: str, twin: str, size: int, *, classes: int = 10, shuffled: str | None = None) -> CatalogueEntry:
    binarized = "-binary" in name
    return CatalogueEntry(
        family="binarized" if binarized else "full-precision",
        build="harness.models.twins:" + ("binary_twin" if binarized else "float_twin"),
        preprocessing=minus_one_to_one(size),
        classes=classes,
        weights="trained",
        paper="ours",
        twin=twin,
        shuffled=shuffled,
    )


CATALOGUE: dict[str, CatalogueEntry] = {
    "planted-float": _twin("planted-float", "planted-binary", 64),
    "planted-binary": _twin("planted-binary", "planted-float", 64),
    "cifar-float": _twin("cifar-float", "cifar-binary", 32),
    "cifar-binary": _twin("cifar-binary", "cifar-float", 32),
    "photo-float": _twin("photo-float", "photo-binary", 64, classes=20),
    "photo-binary": _twin("photo-binary", "photo-float", 64, classes=20),
    "planted-float-shuffled": _twin("planted-float-shuffled", "planted-binary-shuffled", 64, shuffled="planted-float"),
    "planted-binary-shuffled": _twin(
        "planted-binary-shuffled", "planted-float-shuffled", 64, shuffled="planted-binary"
    ),
    "efficientnet-b0": _keras("EfficientNetB0", "arXiv:1905.11946", _RAW),
    "mobilenet": _keras("MobileNet", "arXiv:1704.04861", minus_one_to_one(224, resize=256)),
    "mobilenet-v2": _keras("MobileNetV2", "arXiv:1801.04381", minus_one_to_one(224, resize=256)),
    "vgg16": _keras("VGG16", "arXiv:1409.1556", _CAFFE),
    "resnet50": _keras("ResNet50", "arXiv:1512.03385", _CAFFE),
    "quicknet": _larq("sota:QuickNet", "arXiv:2011.09398"),
    "binary-alexnet": _larq("literature:BinaryAlexNet", "arXiv:1602.02830"),
    "binary-resnet-e18": _larq("literature:BinaryResNetE18", "arXiv:1906.08637"),
    "meliusnet22": _larq("literature:MeliusNet22", "arXiv:2001.05936"),
    "real-to-binary-net": _larq("literature:RealToBinaryNet", "arXiv:2003.11535"),
}


def catalogue_model(name: str, entry: CatalogueEntry, *, weights: str | None = None, seed: int = 0) -> Model:
    """The entry with its weights chosen: its own default, or what the experiment says."""
    chosen = weights or entry.weights
    if chosen == "trained" and entry.weights != "trained":
        raise ConfigError(f'model "{name}" weights: "trained" exists for the twins only', hint='"imagenet" or "random"')
    if chosen == "imagenet" and entry.weights != "imagenet":
        raise ConfigError(f'model "{name}" weights: no ImageNet weights exist', hint='"trained" or "random"')
    return Model(
        name=name,
        family=entry.family,
        preprocessing=entry.preprocessing,
        classes=entry.classes,
        weights=chosen,
        build=entry.build,
        twin=entry.twin,
        shuffled=entry.shuffled,
        seed=seed,
    )


def model_card(name: str) -> dict[str, Any] | None:
    """The card of a model that we trained: command, seed, measured accuracy."""
    path = WEIGHTS / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else None
