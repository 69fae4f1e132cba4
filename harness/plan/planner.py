"""Which units of work an experiment needs, in the order in which a run does them. Pure: nothing is done or asked here.

Units chain by key: each names the keys of those that it needs, so that every key is known before anything is done, and
a change of one input renews just what depends on it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator
from functools import cache

from converters import FORMATS, TFLITE
from harness.datasets.dataset import Dataset
from harness.devices.device import kind_of
from harness.errors import ConfigError
from harness.experiment.experiment import Experiment
from harness.experiment.values import MOST_IMAGES
from harness.models.catalogue import Model
from harness.plan.asked import ACCURACY, CALIBRATION, Asked
from harness.plan.explanations import Explanations
from harness.plan.label_check import check_labels
from harness.stages import accuracy, conversion, fidelity, images, latency
from harness.stages.stage_table import STAGES
from harness.store.units import Unit


def plan(experiment: Experiment, dataset_of: Callable[[str], Dataset]) -> list[Unit]:
    """All units, each once, stage by stage in the order of the STAGES table.

    dataset_of  the open data set whose images the model of a name sees.
    """
    units = {unit.key: unit for unit in each_unit(experiment, dataset_of)}
    order = list(STAGES)
    return sorted(units.values(), key=lambda unit: order.index(unit.kind))


def each_unit(experiment: Experiment, dataset_of: Callable[[str], Dataset]) -> Iterator[Unit]:
    """The same units, in no order, some more than once: a plan of any length takes no memory."""
    return _Plan(experiment, dataset_of).units()


def restrict(units: list[Unit], kinds: Collection[str]) -> list[Unit]:
    """The units of these kinds and those that they build on, in the same order."""
    wanted: set[str] = set()
    for unit in reversed(units):  # what a unit builds on comes before it
        if unit.kind in kinds or unit.key in wanted:
            wanted |= {unit.key, *unit.needs.values()}
    return [unit for unit in units if unit.key in wanted]


class _Plan:
    def __init__(self, experiment: Experiment, dataset_of: Callable[[str], Dataset]) -> None:
        self._experiment, self._dataset_of = experiment, dataset_of
        self._devices = [device.spec() for device in experiment.devices]
        self._artifacts: list[Unit] = []

    def units(self) -> Iterator[Unit]:
        for model in self._experiment.scored_models:
            check_labels(model, self._dataset_of(model.name))
            judging = self._judging(model)
            yield judging
            if not model.float_model.is_flatbuffer:
                yield accuracy.plan_reference(model.float_model, judging)
        for model, format_name in self._experiment.artifacts():
            calibration = None
            if FORMATS[format_name].calibrated:
                count = self._count(model, "train")
                calibration = self._images(model, "train", count, asked=Asked(CALIBRATION, count))
                yield calibration
            artifact = conversion.plan(model, format_name, calibration=calibration)
            self._artifacts.append(artifact)
            yield artifact
            if model.unscored:
                continue
            yield from self._compared(model, artifact)
            if model.quantization_aware or not FORMATS[format_name].restriction:
                yield from self._judged(model, artifact)
        yield from self._latencies()
        yield from self._explanations()

    def _compared(self, model: Model, artifact: Unit) -> Iterator[Unit]:
        """The artifact with its Keras model; a flatbuffer with the model that it names, if it names one."""
        reference = self._reference(model) if model.is_flatbuffer else model
        if reference is None:
            return
        asked = Asked(ACCURACY, self._count(model, "test"))
        count = min(asked.count, fidelity.IMAGES)
        images = self._images(model, "test", count, asked=asked)
        if not model.is_flatbuffer:
            yield from (images, fidelity.plan(artifact, images))
            return
        same = self._images(reference, "test", count, asked=asked)
        other = conversion.plan(reference, TFLITE, calibration=None) if reference.is_flatbuffer else None
        yield from (images, same, fidelity.plan_with_reference(artifact, images, reference, same, artifact=other))

    def _reference(self, model: Model) -> Model | None:
        if model.reference is None:
            return model.keras
        return next(other for other in self._experiment.models if other.name == model.reference)

    def _judged(self, model: Model, artifact: Unit) -> Iterator[Unit]:
        judging = self._judging(model)
        for device in self._devices:
            yield accuracy.plan(artifact, judging, device)

    def _judging(self, model: Model) -> Unit:
        count = self._count(model, "test")
        return self._images(model, "test", count, asked=Asked(ACCURACY, count))

    def _count(self, model: Model, split: str) -> int:
        """How many images judge or calibrate. The defaults mean as many as there are, where there are fewer."""
        accuracy, conversion = self._experiment.accuracy, self._experiment.conversion
        table, wanted = (accuracy, accuracy.images) if split == "test" else (conversion, conversion.calibration_images)
        if wanted is None:
            return self._all(model, split)
        if table.model_fields_set:
            return wanted
        return min(wanted, max(1, self._dataset_of(model.name).size(split)))

    def _all(self, model: Model, split: str) -> int:
        size = self._dataset_of(model.name).size(split)
        if size > MOST_IMAGES:
            raise ConfigError(
                f'[accuracy] images: expected at most {MOST_IMAGES:,} for model "{model.name}", all are {size:,}',
                hint=f"images = {MOST_IMAGES}",
            )
        return size

    def _latencies(self) -> Iterator[Unit]:
        """Every artifact with every runtime once a round, in an order shuffled by the seed, so that drift of the board
        hits all alike."""
        protocol = self._experiment.latency
        if protocol is None:
            return
        shuffle = random.Random(self._experiment.seed)
        runtimes = [list(of_one) for _, of_one in itertools.groupby(self._devices, key=lambda device: device["name"])]
        for devices, round_ in itertools.product(runtimes, range(protocol.rounds)):
            jobs = list(itertools.product(self._artifacts, devices, protocol.threads))
            shuffle.shuffle(jobs)
            for artifact, device, num_threads in jobs:
                yield latency.plan(artifact, device, protocol, num_threads=num_threads, round_=round_)
        if protocol.sustained is not None:
            timed = [device for device in self._devices if not kind_of(device).is_emulated]
            for device, artifact in itertools.product(timed, self._artifacts):
                yield latency.plan_sustained(artifact, device, protocol)

    def _explanations(self) -> Iterator[Unit]:
        table = self._experiment.saliency
        if table is not None:
            explanations = Explanations(
                self._experiment,
                table,
                images_of=self._images,
                has_masks=cache(self._has_masks),
                artifacts=self._artifacts,
            )
            yield from explanations.units()

    def _has_masks(self, model: str) -> bool:
        """As the first image says: decoding all of them would take as long as the run."""
        return self._dataset_of(model).sample("test", 0).mask is not None

    def _images(self, model: Model, split: str, count: int, *, asked: Asked, first: int = 0) -> Unit:
        dataset = self._dataset_of(model.name)
        if first + count > dataset.size(split):
            asked.refuse(split, dataset.size(split), model)
        return images.plan(self._experiment, dataset.fingerprint, model, split=split, count=count, first=first)
