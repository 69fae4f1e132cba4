"""What stages share while a run lasts: the store, the open data set, the loaded model and its gradient engine.

Loading a model is expensive, and a run finishes one before it takes the next, so one is kept at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from converters import ConversionError
from converters.refusals import check_scores_are_fixed
from device.preprocessing import preprocess
from harness.cpus import cores
from harness.datasets.dataset import Dataset
from harness.datasets.dataset_kinds import open_dataset
from harness.devices.device import Device, make_device
from harness.devices.known import THIS_HOST
from harness.devices.runtime_choice import RUNTIME_OPTIONS
from harness.errors import BitlensError, ConfigError
from harness.experiment.experiment import Experiment
from harness.experiment.schema import DatasetTable
from harness.models.catalogue import Model
from harness.models.exported import ExportedModel
from harness.models.flatbuffer_model import WITHOUT_LAYERS, FlatbufferModel
from harness.models.flatbuffer_scorer import scorer_of_model
from harness.models.loading import load_model
from harness.models.xnnpack import XnnpackModel, has_quantizers
from harness.outputs import PROBABILITIES, ClassMap, Probabilities, probabilities, require
from harness.quality.judges import FloatJudge
from harness.saliency.engine.own_call import check_images_are_alone
from harness.saliency.methods.scorer import FunctionScorer
from harness.saliency.precision import FLOAT32
from harness.saliency.threads import use_one_thread_per_batch
from harness.store.database import Store
from harness.store.unit_inputs import UnitInputs
from harness.store.units import StoredUnit

if TYPE_CHECKING:
    from harness.saliency.engine.engine import GradientEngine

Predict = Callable[[NDArray[np.uint8]], Probabilities]
Progress = Callable[[float], None]  # given the fraction of a unit that is done, 0 … 1
BATCH = 64  # images per forward pass: enough for a CPU, and a bounded memory at 224 x 224


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """The images of a finished images unit: uint8 (N, H, W, C) at a model's input size."""

    pixels: NDArray[np.uint8]
    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_] | None


class RunContext:
    """What the stages of one run share. Not a cache of results: those are in the store."""

    def __init__(self, experiment: Experiment, store: Store | UnitInputs) -> None:
        self.experiment = experiment
        self.store = store
        self._loaded: _LoadedModel | None = None
        self._file: tuple[str, FunctionScorer] | None = None  # the flatbuffer that is explained, by its model's name

    @cached_property
    def _datasets(self) -> list[tuple[DatasetTable, Dataset]]:
        tables = self.experiment.datasets
        return [
            (table, open_dataset(table.kind, path=table.path, seed=table.seed, **table.options())) for table in tables
        ]

    def dataset_of(self, model: str) -> Dataset:
        """The images that a model sees."""
        wanted = self.experiment.dataset_of(model)
        return next(dataset for table, dataset in self._datasets if table is wanted)

    def dataset_with(self, fingerprint: str) -> Dataset:
        """The data set that an images unit was planned for. Raises BitlensError when its files changed since."""
        dataset = next((dataset for _, dataset in self._datasets if dataset.fingerprint == fingerprint), None)
        if dataset is None:
            raise BitlensError("the images of the data set changed since the run was planned", hint="run it again")
        return dataset

    def dataset_remarks(self) -> list[str]:
        """What the data sets say of themselves, for whoever starts the run."""
        return [
            f'data set "{Path(table.path).name if table.path else table.kind}": {remark}'
            for table, dataset in self._datasets
            for remark in dataset.remarks
        ]

    def model(self, name: str) -> Model:
        """The record of what explains and judges on this host."""
        return self.own_model(name).float_model

    def own_model(self, name: str) -> Model:
        """The record as the experiment has it: of a flatbuffer, not of the Keras file beside it."""
        known = (*self.experiment.models, *self.experiment.counterparts.values())
        return next(model for model in known if model.name == name)

    def keras_model(self, name: str) -> Any:
        return self._load(name).keras_model

    def engine(self, name: str) -> GradientEngine:
        """Raises ConfigError for a model without layers."""
        return self._load(name).engine(self.model(name).output)

    def explainer(self, spec: Mapping[str, Any]) -> GradientEngine | FunctionScorer:
        """What explains a unit's model: its gradient engine, or, where it has no layers, its scores alone.

        A flatbuffer that has a Keras file beside it is explained by the one that the spec names.
        """
        own = self.own_model(spec["model"]["name"])
        if own.is_flatbuffer and own.spec() == spec["model"]:
            return self._scorer_of_file(own)
        return self._load(own.name).explainer(self.model(own.name).output, spec.get("precision", FLOAT32))

    def _scorer_of_file(self, own: Model) -> FunctionScorer:
        """One scorer as long as the model is at work: its agents go with it."""
        if self._file is None or self._file[0] != own.name:
            self._file = None
            loaded = self._load(own.name).keras_model if own.keras is None else load_model(own)
            self._file = own.name, scorer_of_model(loaded, own.output)
        return self._file[1]

    def judge(self, name: str) -> FloatJudge:
        """The Keras model as the judge of explanations."""
        return self._load(name).judge(self.model(name), partial(self.scores, name))

    def outputs(self, name: str, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, columns) what the Keras model returns for uint8 images at its input size.

        Raises ConfigError where that is not what its outputs are said to be.
        """
        model, predict = self.model(name), self._load(name).predict
        batches = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
        outputs = np.concatenate([predict(preprocess(batch, model.preprocessing)) for batch in batches])
        require(outputs, model.output, name=name, rounded=model.is_flatbuffer)
        return outputs

    def scores(self, name: str, images: NDArray[np.uint8]) -> Probabilities:
        """(N, classes) the Keras model's probabilities for uint8 images at its input size."""
        model = self.model(name)
        return probabilities(self.outputs(name, images), model.output, model.class_map)

    def result(self, key: str) -> StoredUnit:
        """A finished unit that another builds on. Raises BitlensError when it failed: this one cannot be done."""
        stored = self.store.unit(key)
        if stored.status == "failed":
            raise BitlensError(f"needs the {stored.kind}, which failed: {stored.reason}")
        return stored

    def artifact(self, key: str) -> Path:
        """The flatbuffer that a conversion made."""
        return self.store.blob_path(self.result(key).result["blob"])

    def images(self, key: str) -> ImageSet:
        result = self.result(key).result
        masks = result["masks_blob"]
        return ImageSet(
            pixels=self.store.load_array(result["blob"]),
            keys=tuple(result["images"]),
            labels=np.array(result["labels"], np.int64),
            masks=self.store.load_array(masks) if masks else None,
        )

    def _load(self, name: str) -> _LoadedModel:
        if self._loaded is None or self._loaded.name != name:
            self._loaded = None  # let go of the old model before the new one needs its memory
            if cores() == 1:  # one of several workers: threads inside an operation would be in the others' way
                use_one_thread_per_batch()
            self._loaded = _LoadedModel(name, load_model(self.model(name)))
        return self._loaded


class _LoadedModel:
    def __init__(self, name: str, keras_model: Any) -> None:
        self.name = name
        self.keras_model = keras_model
        self._judge: FloatJudge | None = None
        self._engines: dict[str, GradientEngine] = {}
        self._looked_at_batch = False

    def engine(self, output: str, precision: str = FLOAT32) -> GradientEngine:
        """One engine of a precision as long as the model is loaded: it keeps what it compiled."""
        from harness.saliency.engine.engine import GradientEngine

        if precision not in self._engines:
            self._engines[precision] = GradientEngine(self.keras_model, output=output, precision=precision)
        return self._engines[precision]

    def explainer(self, output: str, precision: str) -> GradientEngine | FunctionScorer:
        if isinstance(self.keras_model, ExportedModel):
            return self.keras_model.scorer(output)
        return self.engine(output, precision)

    def judge(self, model: Model, scores: Predict) -> FloatJudge:
        """One judge as long as the model is loaded: it remembers scores."""
        if self._judge is None:
            compiled = self._compiled(model.preprocessing)
            quicker = compiled and (lambda images: probabilities(compiled(images), model.output, model.class_map))
            self._judge = FloatJudge(quicker, batch=None) if quicker else FloatJudge(scores)
        return self._judge

    def _compiled(self, preprocessing: dict[str, Any]) -> XnnpackModel | None:
        """A quicker way to the same scores; None for binarized models, for graphs that may be binarized, and for models
        that cannot be converted."""
        if isinstance(self.keras_model, WITHOUT_LAYERS) or has_quantizers(self.keras_model):
            return None
        try:
            return XnnpackModel(self.keras_model, preprocessing)
        except ConversionError:
            return None

    @cached_property
    def _function(self) -> Any:
        import tensorflow as tf

        shape = (None, *self.keras_model.input_shape[1:])
        signature = [tf.TensorSpec(shape, tf.float32)]
        function = tf.function(
            lambda images: self.keras_model(images, training=False), input_signature=signature, autograph=False
        ).get_concrete_function()
        try:
            check_scores_are_fixed(function.graph, self.keras_model)
        except ConversionError as error:
            raise ConfigError(f'model "{self.name}": {error}', hint=error.hint) from error
        return function

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        if isinstance(self.keras_model, FlatbufferModel):
            return self.keras_model(images)
        import tensorflow as tf

        if not self._looked_at_batch:
            check_images_are_alone(lambda batch: self._function(tf.constant(batch)).numpy(), images[0], self.name)
            self._looked_at_batch = True
        scores: NDArray[np.float32] = self._function(tf.constant(images)).numpy()
        return scores


def device_of(spec: Mapping[str, Any]) -> Device:
    """The device of a unit; this host where the spec names none."""
    row = {
        key: value for key, value in spec.get("device", THIS_HOST).items() if key not in ("runtime", RUNTIME_OPTIONS)
    }
    return make_device(row)


def output_of(spec: Mapping[str, Any]) -> str:
    """What the outputs of a unit's model are, one of `harness.outputs.KINDS`."""
    return str(spec["model"].get("output", PROBABILITIES))


def class_map_of(spec: Mapping[str, Any]) -> ClassMap:
    """The class of the outputs of a unit's model for each label; None where they are the same."""
    class_map: list[int] | None = spec["model"].get("class_map")
    return class_map


def in_own_classes(labels: NDArray[np.int64], spec: Mapping[str, Any]) -> NDArray[np.int64]:
    """Labels as the classes of a unit's model, which whatever explains a model speaks of."""
    class_map = class_map_of(spec)
    return labels if class_map is None else np.asarray(class_map, np.int64)[labels]


def as_fraction(progress: Progress) -> Callable[[Mapping[str, Any]], None]:
    """The agent counts things; a progress bar wants the fraction done. Nobody knows how long a warm-up takes."""
    return lambda report: progress(report["done"] / max(1, report["of"]) if "of" in report else 0.0)
