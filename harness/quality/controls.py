"""Controls: maps that know nothing of the model. A metric that cannot tell a method from them says nothing about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigError
from harness.quality.inputs import Maps, MetricInputs
from harness.randomness import generator
from harness.registry import look_up, resolve

SIGMA = 0.25  # of each side: the bump covers the middle, where photographers put things


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSpec:
    """One control. `load` names a function (MetricInputs) -> maps (N, H, W)."""

    load: str
    summary: str
    needs: tuple[str, ...] = ()


CONTROLS: dict[str, ControlSpec] = {
    "random": ControlSpec(
        load="harness.quality.controls:random_map",
        summary="random pixels: the score without any knowledge",
    ),
    "centre": ControlSpec(
        load="harness.quality.controls:centre_gaussian",
        summary="a bump in the middle: the score of photographers' habit to centre the object",
    ),
    "perfect": ControlSpec(
        load="harness.quality.controls:perfect_map",
        summary="the object's mask: the score of a map that knows the object",
        needs=("mask",),
    ),
}


def control_maps(name: str, inputs: MetricInputs) -> Maps:
    """Maps (N, H, W) of a control. Raises ConfigError where it needs masks and there are none."""
    spec = look_up(CONTROLS, name, where="controls", what="control map")
    if "mask" in spec.needs and inputs.masks is None:
        raise ConfigError(
            f'control "{name}": the data set does not say where the objects are', hint="a data set with masks"
        )
    maps: Maps = resolve(spec.load)(inputs)
    return maps


def random_map(inputs: MetricInputs) -> Maps:
    """Uniform in 0 … 1, keyed by image."""
    size = inputs.images.shape[1:3]
    return np.stack([generator(inputs.seed, key, 0, purpose="control").random(size, np.float32) for key in inputs.keys])


def centre_gaussian(inputs: MetricInputs) -> Maps:
    bumps = []
    for side in inputs.images.shape[1:3]:
        place = (np.arange(side) + 0.5) / side - 0.5
        bumps.append(np.exp(-((place / SIGMA) ** 2) / 2))
    bump = np.outer(*bumps).astype(np.float32)
    return np.broadcast_to(bump, (len(inputs.images), *bump.shape)).copy()


def perfect_map(inputs: MetricInputs) -> Maps:
    """1 on the object, 0 beside it."""
    assert inputs.masks is not None
    return inputs.masks.astype(np.float32)
