"""Which class of a model each label of its data set is: declared, or told by the names of classes or by right answers.

Many a model has a class more than its data set has labels: its class 0 is "background", and each label is one further.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Dataset
from harness.datasets.geometry import fit_image
from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.models.declared import Declared

BACKGROUND = ("background", "__background__", "_background_", "???")
IMAGES = 64  # of the test split that a doubt is settled with
CHANCE = 0.01  # of so many more right answers one way than the other, were both guesses
WAYS = "background_class = true where class 0 is no label, false where it is the first"

Predict = Callable[[NDArray[np.uint8]], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelClasses:
    """The class of each label, None where they are the same; `said` is why, where nobody declared it."""

    class_map: tuple[int, ...] | None
    said: str = ""


def label_classes(
    model: Model,
    declared: Declared,
    *,
    names: Sequence[str],
    dataset: Dataset | None,
    predict: Predict,
) -> LabelClasses:
    """Of a model whose record counts all of its own classes.

    names    of its classes, as its file says them; empty where it does not.
    dataset  None where nothing is known but pictures.
    predict  the class of each uint8 image at the model's input size.
    Raises ConfigError where what was declared cannot be, and where nobody can tell.
    """
    classes = model.classes
    if declared.class_map is not None:
        _check(model, declared.class_map, classes)
        return LabelClasses(class_map=declared.class_map)
    if declared.background is not None:
        return LabelClasses(class_map=_behind_background(classes) if declared.background else None)
    by_name = _by_names(names, classes, dataset)
    if by_name is not None:
        return by_name
    if dataset is None or not _may_have_background(classes, dataset):
        return LabelClasses(class_map=None)
    return _by_answers(model, classes, dataset, predict)


def _check(model: Model, class_map: Sequence[int], classes: int) -> None:
    where = f'model "{model.name}" class_map'
    if not class_map:
        raise ConfigError(f"{where}: expected the class of each label, got none")
    beyond = next((index for index in class_map if index >= classes), None)
    if beyond is not None:
        raise ConfigError(f"{where}: expected classes 0 to {classes - 1}, got {beyond}")
    if len(set(class_map)) < len(class_map):
        twice = next(index for index in class_map if list(class_map).count(index) > 1)
        raise ConfigError(f"{where}: expected a class of its own for each label, got {twice} more than once")


def _behind_background(classes: int) -> tuple[int, ...]:
    return tuple(range(1, classes))


def _may_have_background(classes: int, dataset: Dataset) -> bool:
    """Of class folders there are as many as there are classes, or they are classes of something else."""
    return classes == _labels(dataset) + 1 or (classes > _labels(dataset) and not dataset.label_range.complete)


def _labels(dataset: Dataset) -> int:
    return len(dataset.class_names) if dataset.label_range.complete else dataset.label_range.greatest + 1


def _by_names(names: Sequence[str], classes: int, dataset: Dataset | None) -> LabelClasses | None:
    """What a list of its classes' names says; None where it says nothing."""
    if len(names) != classes:
        return None
    known = {_plain(name): index for index, name in enumerate(names)}
    wanted = [] if dataset is None or not dataset.label_range.complete else [_plain(n) for n in dataset.class_names]
    if wanted and len(known) == classes and set(wanted) <= set(known):
        found = tuple(known[name] for name in wanted)
        if found == tuple(range(len(found))):
            return LabelClasses(class_map=None)
        return LabelClasses(class_map=found, said="each label is the class of its name in the file's metadata")
    if _plain(names[0]) in BACKGROUND:
        said = f'class 0 is "{names[0]}", as its metadata says, and each label is one class further'
        return LabelClasses(class_map=_behind_background(classes), said=said)
    return None


def _plain(name: str) -> str:
    return name.strip().casefold()


def _by_answers(model: Model, classes: int, dataset: Dataset, predict: Predict) -> LabelClasses:
    labels, answers = _answers(model, dataset, predict)
    as_they_are, further = int((answers == labels).sum()), int((answers == labels + 1).sum())
    counts = f"{further} of {len(labels)} pictures are right so, and {as_they_are} otherwise"
    if _is_more(further, as_they_are):
        said = f"class 0 is no label and each label is one class further: {counts}"
        return LabelClasses(class_map=_behind_background(classes), said=said)
    if _is_more(as_they_are, further) or classes != _labels(dataset) + 1:
        return LabelClasses(class_map=None)
    raise ConfigError(
        f'model "{model.name}": it has {classes} classes and its data set {classes - 1} labels, and it is unknown '
        f'whether its class 0 is "background": of {len(labels)} pictures {further} are right if it is, and '
        f"{as_they_are} if it is not",
        hint=f"{WAYS}; or class_map with the class of each label",
    )


def _answers(model: Model, dataset: Dataset, predict: Predict) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    size = dataset.size("test")
    chosen = sorted({int(index) for index in np.linspace(0, size - 1, IMAGES)}) if size else []
    samples = [dataset.sample("test", index) for index in chosen]
    labels = np.array([sample.label for sample in samples], np.int64)
    if not samples:
        return labels, labels
    fitted = [fit_image(s.image, model.preprocessing, name=f'image "{s.key}"') for s in samples]
    return labels, predict(np.stack(fitted))


def _is_more(one: int, other: int) -> bool:
    """Whether so many more right answers are no chance: a sign test of one against the other."""
    from scipy.stats import binomtest

    return one > other and binomtest(one, one + other, 0.5, alternative="greater").pvalue <= CHANCE
