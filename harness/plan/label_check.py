"""Do the labels of a data set fit the classes of a model? Asked when a run is planned, before anything is done."""

from __future__ import annotations

from harness.datasets.dataset import Dataset
from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.outputs import ONE_COLUMN


def check_labels(model: Model, dataset: Dataset) -> None:
    """Raises ConfigError, which names the row or folder, where a label is no class of the model."""
    labels, last = dataset.label_range, model.classes - 1
    if labels.greatest <= last:
        return
    one = " (its one output tells two apart)" if model.output in ONE_COLUMN else ""
    raise ConfigError(
        f'{labels.where}: class {labels.greatest} ("{dataset.class_names[labels.greatest]}"), and model '
        f'"{model.name}" has the classes 0 to {last}{one}',
        hint=_way_out(model, counted_from_1=labels.least == 1 and labels.greatest == model.classes),
    )


def _way_out(model: Model, *, counted_from_1: bool) -> str:
    if counted_from_1:
        return "are these labels counted from 1? The first class is 0"
    if model.class_map is not None:
        return "background_class = false, or class_map with a class for each label, in its [[model]] table"
    return "a model of these classes, or labels of this one"


def doubt_of_labels(model: Model, dataset: Dataset) -> str:
    """What is likely to be wrong although every label is a class of the model, in a sentence; "" if nothing is."""
    if model.weights == "random":  # whose answers mean nothing anyway
        return ""
    labels, known = dataset.label_range, len(dataset.class_names)
    if labels.complete and known < model.classes:
        return (
            f'model "{model.name}" has {model.classes} classes and its data set {known}, the first of them '
            f'"{dataset.class_names[0]}": accuracy counts only if that is the model\'s class 0, and so on'
        )
    return ""
