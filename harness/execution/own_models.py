"""Between reading an experiment and planning it: its own models' files say what nobody wrote down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset
from harness.errors import ConfigError
from harness.experiment.experiment import Experiment
from harness.models.catalogue import Model
from harness.saying import say
from harness.stages.context import RunContext
from harness.store.unit_inputs import UnitInputs

IMAGES = 8  # of a data set that a model is looked at with


def completed(experiment: Experiment) -> Experiment:
    """The experiment with complete records of all models; what was inferred is said, a line for each.

    Raises ConfigError for a file that is no classifier of the images of its data set, or that leaves something open.
    """
    if all(model.declared is None for model in experiment.models):
        return experiment
    dataset_of = RunContext(experiment, UnitInputs(Path())).dataset_of  # nothing of a store is asked for
    models = tuple(_completed(model, dataset_of) for model in experiment.models)
    whole = replace(experiment, models=models)
    _check_references(whole)
    whole.check_formats()
    return whole


def _completed(model: Model, dataset_of: Callable[[str], Dataset]) -> Model:
    from harness.models.completion import complete

    if model.declared is None:
        return model
    dataset = dataset_of(model.name)
    done = complete(model, few_pictures(dataset), dataset)
    if done.said:
        say(done.said)
    return done.model


def _check_references(experiment: Experiment) -> None:
    """Raises ConfigError where a model cannot be compared with the one that it names."""
    models = {model.name: model for model in experiment.models}
    for model in experiment.models:
        if model.reference is None:
            continue
        other, where = models[model.reference], f'model "{model.name}" reference'
        if other.unscored:
            raise ConfigError(f'{where}: expected a classifier, and of "{other.name}" {other.unscored}')
        if other.classes != model.classes:
            raise ConfigError(
                f'{where}: expected a model of {model.classes} classes, got "{other.name}", which has {other.classes}'
            )
        if experiment.dataset_of(other.name) is not experiment.dataset_of(model.name):
            raise ConfigError(f'{where}: expected a model that sees the same images, "{other.name}" sees other ones')


def few_pictures(dataset: Dataset) -> list[tuple[str, NDArray[np.uint8]]]:
    """A few of the test split, from all over it: a split may be in the order of its classes."""
    size = dataset.size("test")
    chosen = sorted({int(index) for index in np.linspace(0, size - 1, IMAGES)}) if size else []
    samples = [dataset.sample("test", index) for index in chosen]
    return [(f'image "{sample.key}"', sample.image) for sample in samples]
