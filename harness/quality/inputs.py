"""What a metric may look at besides the map: images, classes, masks, a judge, and the method that made the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Maps = NDArray[np.float32]
Targets = NDArray[np.int64]
Values = NDArray[np.float64]


class OneByOne(Protocol):
    """Images (N, H, W, C), in an array or wherever slices of them come from."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: slice, /) -> Images: ...


class Judge(Protocol):
    """Who gives probabilities: the float model, or an artifact on a device."""

    def scores(self, images: Images, targets: Targets) -> Values:
        """(N,) probability of each image's target class. Images are uint8 at the model's input size."""

    def curves(
        self, start: Images, end: Images, ranks: NDArray[np.int64], steps: Sequence[int], targets: Targets
    ) -> Values:
        """(N, len(steps)) probabilities while pixels go over from `start` to `end` in the order of `ranks`.

        start, end  (N, H, W, C); `end` may be (N, 1, 1, C), one colour for the whole image.
        ranks       (N, H, W): a pixel is `end` at a step if its rank is below the step, see device.perturbation.
                    Pixels of one rank go over together.
        """


class Explain(Protocol):
    """The method that made the maps, for other images."""

    def __call__(self, images: Images, targets: Targets, keys: Sequence[str]) -> Maps:
        """Maps (N, H, W) of these images, for these classes.

        keys  of the method's own randomness, not unique here: copies of an image carry its key, so that they differ
              by what was done to the image and not by the method's random numbers.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Other images of the data set, each with its class; the same ones for a whole run."""

    images: Images
    targets: Targets
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInputs:
    """What a metric may look at besides the map. A part that nobody has is None: metrics name the parts they need.

    images        (N, H, W, C) uint8 at the model's input size.
    targets       (N,) the class that each map explains.
    keys          (N,) what the images are called. Randomness is keyed by (seed, key), never by batch or order.
    parameters    of the metric, all of them: see `metric_parameters`.
    masks         (N, H, W) bool, true on the object.
    causes        (N,) why a map is blank, as the method recorded it (`Attribution.causes`); "" where it is not.
    dataset_mean  (C,) uint8, the mean colour of the training data.
    aopc_bounds   (N, 2) lowest and highest AOPC that any order of cells reaches, see `aopc_search.aopc_bounds`.
    """

    images: Images
    targets: Targets
    keys: tuple[str, ...]
    seed: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    masks: NDArray[np.bool_] | None = None
    judge: Judge | None = None
    explain: Explain | None = None
    pool: Pool | None = None
    aopc_bounds: Values | None = None
    dataset_mean: NDArray[np.uint8] | None = None
    causes: tuple[str, ...] | None = None

    def take(self, indices: NDArray[np.int64]) -> MetricInputs:
        """The inputs of these images alone, in this order."""
        return replace(
            self,
            images=self.images[indices],
            targets=self.targets[indices],
            keys=tuple(self.keys[i] for i in indices),
            masks=None if self.masks is None else self.masks[indices],
            aopc_bounds=None if self.aopc_bounds is None else self.aopc_bounds[indices],
            causes=None if self.causes is None else tuple(self.causes[i] for i in indices),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One metric's value per map. `reasons[i]` says why values[i] is NaN, or what a reader must know of it; else "".

    curves  (N, points) what the values are areas of, where they are; NaN where there is no value.
    """

    values: Values
    reasons: tuple[str, ...]
    curves: Values | None = None
