"""Images stage: draw by seed, decode, resize and crop once; all later stages read the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import Sample
from harness.datasets.geometry import fit_image, fit_mask, geometry_of
from harness.experiment.experiment import Experiment
from harness.models.catalogue import Model
from harness.stages.context import Progress, RunContext
from harness.store.units import Outcome, Unit


def plan(experiment: Experiment, fingerprint: str, model: Model, *, split: str, count: int, first: int = 0) -> Unit:
    """The images unit for a model's input geometry. Equal specs are one unit, whichever models and stages share it.

    first  how many images of the seeded order come before these: explanations are made in batches.
    """
    spec = {
        "dataset": experiment.dataset_of(model.name).kind,
        "fingerprint": fingerprint,
        "split": split,
        "first": first,
        "count": count,
        "seed": experiment.seed,
        "geometry": geometry_of(model.preprocessing),
    }
    return Unit(kind="images", spec=spec)


def perform(unit: Unit, context: RunContext, progress: Progress) -> Outcome:
    """`count` images of the split from `first` on, in an order that depends on the seed alone.

    So a smaller set is the beginning of a larger one: saliency explains images whose accuracy was measured.
    """
    spec = unit.spec
    dataset = context.dataset_with(spec["fingerprint"])
    geometry = {**spec["geometry"], "mean": [0.0] * spec["geometry"]["channels"]}
    order = np.random.default_rng(spec["seed"]).permutation(dataset.size(spec["split"]))
    samples, pixels = [], []
    for done, index in enumerate(order[spec["first"] : spec["first"] + spec["count"]]):
        sample = dataset.sample(spec["split"], int(index))
        samples.append(sample)
        pixels.append(fit_image(sample.image, geometry, name=f'image "{sample.key}"'))
        progress((done + 1) / spec["count"])
    known = any(sample.mask is not None for sample in samples)
    result = {
        "blob": context.store.save_array(np.stack(pixels)),
        "masks_blob": context.store.save_array(_masks(samples, geometry)) if known else None,
        "images": [sample.key for sample in samples],
        "labels": [sample.label for sample in samples],
        "class_names": list(dataset.class_names),
    }
    return Outcome(result=result)


def _masks(samples: Sequence[Sample], geometry: dict[str, Any]) -> NDArray[np.bool_]:
    """(N, H, W); nothing is marked on an image of which the data set does not say where the object is."""
    nothing = np.zeros((geometry["height"], geometry["width"]), np.bool_)
    return np.stack([nothing if s.mask is None else fit_mask(s.mask, geometry) for s in samples])
