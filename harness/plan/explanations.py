"""Which maps an experiment needs, and what is asked about them. A part of the plan, and as pure.

Images are explained in batches. What several methods need of a batch (AOPC bounds, pools, baseline images) is planned
once.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from converters import TFLITE
from harness.devices.known import THIS_HOST
from harness.errors import ConfigError
from harness.experiment.device_tables import DeviceTable
from harness.experiment.experiment import Agreement, Deployed, Experiment, Named
from harness.experiment.explanation_tables import SaliencyTable
from harness.experiment.selection import may_ask_an_artifact
from harness.models.catalogue import Model
from harness.plan.asked import CALIBRATION, Asked
from harness.quality.controls import CONTROLS
from harness.quality.metrics.metric_table import METRICS
from harness.saliency.methods.method_table import METHODS
from harness.saliency.precision import BINARIZED, FLOAT32, check_precision, refused_for
from harness.stages import agreement, amplification, aopc_bounds, quality, saliency, sanity
from harness.stages.shared import CONTROL, DeployedJudge
from harness.store.units import Unit

FORWARD = [name for name, method in METHODS.items() if not method.takes_gradients]
POOL_IMAGES = 32  # other images that a metric may show beside the explained one: the first of the test split
DATA_RANDOMISATION = "data_randomisation"


def _explained(model: Model, method: str) -> Model:
    """What a method asks: the model; of a flatbuffer, its Keras file where gradients are wanted.

    Raises ConfigError where there is none.
    """
    if not model.is_flatbuffer or method.startswith(CONTROL) or not METHODS[method].takes_gradients:
        return model
    return _with_layers(model, f'[saliency] "{method}" takes gradients', ", ".join(FORWARD))


def _with_layers(model: Model, what_it_takes: str, others: str) -> Model:
    if model.is_flatbuffer and model.keras is None:
        raise ConfigError(
            f'{what_it_takes}, and model "{model.name}" is a flatbuffer, which has none',
            hint=f'keras = "FILE" in its [[model]] table, a Keras file of the same model; or {others}',
        )
    return model.float_model


def _precision(model: Model, method: str, wanted: str) -> str:
    """That of a method's maps: what takes no gradients stays in float32. Raises ConfigError for a binarized model."""
    if wanted == FLOAT32 or method.startswith(CONTROL) or not METHODS[method].takes_gradients:
        return FLOAT32
    check_precision(wanted, where="[saliency] precision")
    if model.family == "binarized":
        raise refused_for(model.name, BINARIZED, where="[saliency] precision")
    return wanted


class Explanations:
    """The units that make maps of one experiment and judge them.

    images_of  plans images: (model, split, count, *, asked, first=0) -> Unit.
    has_masks  does anybody know where the objects are on the images of a model of this name?
    artifacts  the conversion units of the plan.
    """

    def __init__(
        self,
        experiment: Experiment,
        table: SaliencyTable,
        *,
        images_of: Callable[..., Unit],
        has_masks: Callable[[str], bool],
        artifacts: list[Unit],
    ) -> None:
        self._experiment, self._table = experiment, table
        self._images_of, self._has_masks, self._artifacts = images_of, has_masks, artifacts

    def units(self) -> Iterator[Unit]:
        for model in self._experiment.scored_models:
            for images in self._batches(model, Asked("[saliency] images", self._table.images)):
                yield images
                yield from self._of_batch(model, images)
            yield from self._sanity(model)
            yield from self._amplification(model)

    def _batches(self, model: Model, asked: Asked) -> Iterator[Unit]:
        """So that no unit takes long and none holds more than a batch."""
        for first in range(0, asked.count, self._table.batch):
            yield self._images_of(model, "test", min(self._table.batch, asked.count - first), asked=asked, first=first)

    def _of_batch(self, model: Model, images: Unit) -> Iterator[Unit]:
        for maps in self._maps(model, images):
            yield maps
            for metric in self._experiment.metrics:
                if metric.scores(maps.spec["method"]):
                    yield from self._scored(model, maps, images, metric)
        yield from self._judged_by_artifacts(model, images)
        yield from self._agreements(model, images)

    def _maps(self, model: Model, images: Unit) -> Iterator[Unit]:
        for method in self._experiment.methods:
            yield self._map(model, method, images)
        if self._table.controls:
            for name, spec in CONTROLS.items():
                if "mask" not in spec.needs or self._has_masks(model.name):
                    yield self._map(model, Named(name=CONTROL + name, parameters={}), images)
        yield from self._device_maps(model, images)

    def _device_maps(self, model: Model, images: Unit) -> Iterator[Unit]:
        for deployed in self._experiment.on_device:
            for (artifact, device), method in itertools.product(self._at_work(model, deployed), deployed.methods):
                yield saliency.plan_on_device(artifact, method, images, device, seed=self._experiment.seed)

    def _map(self, model: Model, method: Named, images: Unit) -> Unit:
        explained = _explained(model, method.name)
        precision = _precision(explained, method.name, self._table.precision)
        return saliency.plan(
            explained, method, images, target=self._table.target, seed=self._experiment.seed, precision=precision
        )

    # ------------------------------------------------------------------------------------------------- scores
    def _scored(
        self, model: Model, maps: Unit, images: Unit, metric: Named, judge: DeployedJudge | None = None
    ) -> Iterator[Unit]:
        needs = METRICS[metric.name].needs
        extra: dict[str, Unit] = {}
        if "pool" in needs:
            asked = Asked("[saliency] images", self._table.images)
            extra["pool"] = self._images_of(model, "test", min(POOL_IMAGES, asked.count), asked=asked)
        if metric.parameters.get("baseline") == "dataset_mean":
            asked = Asked(CALIBRATION, self._experiment.conversion.calibration_images)
            extra["baseline_images"] = self._images_of(model, "train", asked.count, asked=asked)
        if "aopc_bounds" in needs:
            extra["aopc_bounds"] = aopc_bounds.plan(
                model.float_model,
                metric,
                images,
                target=self._table.target,
                baseline_images=extra.get("baseline_images"),
            )
        yield from extra.values()
        yield quality.plan(maps, metric, judge=judge, **extra)

    def _judged_by_artifacts(self, model: Model, images: Unit) -> Iterator[Unit]:
        for judges in self._judges(model):
            for (artifact, device), method in itertools.product(self._at_work(model, judges), judges.methods):
                maps, judge = self._map(model, method, images), DeployedJudge(artifact=artifact, device=device)
                for metric in judges.metrics:
                    yield from self._scored(model, maps, images, metric, judge)

    def _judges(self, model: Model) -> tuple[Deployed, ...]:
        """Those that the experiment names; else a flatbuffer judges maps itself where its Keras file does, too."""
        if self._experiment.judges or model.keras is None:
            return self._experiment.judges
        metrics = tuple(metric for metric in self._experiment.metrics if may_ask_an_artifact(metric))
        here = DeviceTable.model_validate(THIS_HOST)
        return (Deployed(methods=self._experiment.methods, metrics=metrics, formats=(TFLITE,), devices=(here,)),)

    def _at_work(self, model: Model, deployed: Deployed) -> Iterator[tuple[Unit, dict[str, Any]]]:
        """The artifacts of a model on the devices where they judge or explain."""
        for artifact, device in itertools.product(self._artifacts, deployed.devices):
            if artifact.spec["model"]["name"] == model.name and artifact.spec["format"] in deployed.formats:
                yield artifact, device.spec()

    # --------------------------------------------------------------------------------------------- agreement
    def _agreements(self, model: Model, images: Unit) -> Iterator[Unit]:
        wanted = self._experiment.agreement
        if wanted is None:
            return
        for what, first, second in self._compared(model, images, wanted):
            for metric in wanted.metrics:
                yield agreement.plan(first, second, metric, what=what)

    def _compared(self, model: Model, images: Unit, wanted: Agreement) -> Iterator[tuple[str, Unit, Unit]]:
        here = {maps.key: maps for maps in (self._map(model, method, images) for method in self._experiment.methods)}
        reference = self._map(model, wanted.reference, images) if wanted.reference else None
        twin = next((m for m in self._experiment.models if m.name == model.twin), None)
        for maps in here.values():
            if reference is not None and maps.key != reference.key:
                yield "reference", maps, reference
        if wanted.twins and twin is not None and model.family == "binarized":
            for method in self._experiment.methods:
                yield "twin", self._map(model, method, images), self._map(twin, method, images)
        for maps in self._device_maps(model, images):
            method = Named(name=maps.spec["method"], parameters=maps.spec["parameters"])
            same = self._map(model, method, images)
            if same.key in here:
                yield "deployed", maps, same
            if reference is not None:
                yield "deployed", maps, reference

    # ------------------------------------------------------------------------------------------ the model itself
    def _sanity(self, model: Model) -> Iterator[Unit]:
        wanted = self._experiment.sanity
        if wanted is None:
            return
        model = _with_layers(model, "[sanity] shuffles weights of layers", "no [sanity] table")
        images = self._images_of(model, "test", wanted.images, asked=Asked("[sanity] images", wanted.images))
        yield images
        counterpart = self._experiment.counterparts.get(model.name)
        for method, check in itertools.product(wanted.methods, wanted.checks):
            maps = self._map(model, method, images)
            if check == DATA_RANDOMISATION:
                if counterpart is not None:
                    other = self._map(counterpart, method, images)
                    yield from (maps, other, sanity.plan(maps, check, other=other))
            else:
                yield from (maps, sanity.plan(maps, check))

    def _amplification(self, model: Model) -> Iterator[Unit]:
        wanted = self._experiment.amplification
        if wanted is None:
            return
        model = _with_layers(model, "[amplification] follows noise through layers", "no [amplification] table")
        asked = Asked("[amplification] images", wanted.images)
        for images, level in itertools.product(self._batches(model, asked), wanted.noise_levels):
            yield images
            yield amplification.plan(model, images, noise_level=level, seed=self._experiment.seed)
