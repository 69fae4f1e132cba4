"""What the stages that score explanations share: the judge, the maps, and the method that made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.devices.client import perturb, predict
from harness.devices.device import Device
from harness.devices.runtime_choice import Runtime, runtime_of
from harness.outputs import ClassMap, probabilities
from harness.quality.inputs import Explain, Images, Judge, Maps, Scores, Targets, Values
from harness.saliency.attribution import Attribution
from harness.stages.context import ImageSet, RunContext, class_map_of, device_of, in_own_classes, output_of
from harness.store.attributions import stored_maps
from harness.store.units import Score, StoredUnit, Unit

FLOAT = "float"  # the judge that is the Keras model itself


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedJudge:
    """An artifact at work on a device, as the plan names it. `artifact` is the unit that makes it."""

    artifact: Unit
    device: dict[str, Any]

    def spec(self) -> dict[str, Any]:
        return {"format": self.artifact.spec["format"], "device": self.device, "runtime": self.device["runtime"]}


def judge_of(unit: Unit, context: RunContext) -> Judge:
    """Who gives class scores for a unit: the float model, or an artifact on its device."""
    spec, judge = unit.spec, unit.spec["judge"]
    if judge == FLOAT:
        return context.judge(spec["model"]["name"])
    deployed = context.result(unit.needs["judge"]).spec
    return DeviceJudge(
        device_of(judge),
        context.artifact(unit.needs["judge"]),
        preprocessing=deployed["model"]["preprocessing"],
        output=output_of(deployed),
        class_map=class_map_of(deployed),
        runtime=runtime_of(judge["device"]),
    )


class DeviceJudge:
    """A deployed artifact as the judge. Images of a curve are made on the device, from rank maps.

    output  what its outputs are, as those of its float model.
    """

    def __init__(
        self,
        device: Device,
        artifact: Path,
        *,
        preprocessing: Mapping[str, Any],
        output: str,
        class_map: ClassMap = None,
        runtime: Runtime,
    ) -> None:
        self._device, self._artifact, self._head = device, artifact, (output, class_map)
        self._how: dict[str, Any] = {"preprocessing": preprocessing, "runtime": runtime}

    def scores(self, images: Images, targets: Targets) -> Values:
        scores = probabilities(predict(self._device, self._artifact, images, **self._how).scores, *self._head)
        chosen: Values = scores[np.arange(len(images)), targets].astype(np.float64)
        return chosen

    def curves(
        self, start: Images, end: Images, ranks: NDArray[np.int64], steps: Sequence[int], targets: Targets
    ) -> Values:
        outputs = perturb(self._device, self._artifact, start=start, end=end, ranks=ranks, steps=steps, **self._how)
        scores = probabilities(outputs, *self._head)
        chosen: Values = scores[np.arange(len(start)), :, targets].astype(np.float64)
        return chosen


def maps_of(saliency: StoredUnit, images: ImageSet, context: RunContext) -> Maps:
    """(N, H, W) in the geometry of the images, as showing and scoring take them."""
    return stored_maps(saliency, context.store.load_array(saliency.result["blob"]), images.pixels.shape[1:3])


def explain_of(saliency: StoredUnit, context: RunContext) -> Explain | None:
    """The method that made the maps, for other images; None for controls and for maps that a board computed."""
    spec = saliency.spec
    if spec["method"].startswith(CONTROL) or "device" in spec:
        return None

    def explain(images: Images, targets: Targets, keys: Sequence[str]) -> Maps:
        attribution = attribute(context.explainer(spec), spec, images, targets, keys)
        return attribution.maps(images.shape[1:3])

    return explain


def score_rows(images: ImageSet, scores: Scores) -> list[Score]:
    """One row per image; no value is None, with its reason."""
    return [
        Score(image=key, value=None if np.isnan(value) else float(value), reason=reason)
        for key, value, reason in zip(images.keys, scores.values, scores.reasons)
    ]


def mean_colour(unit: Unit, context: RunContext) -> Any:
    """(C,) uint8, the mean over training images; None where the unit does not ask for it."""
    if "baseline_images" not in unit.needs:
        return None
    return np.round(context.images(unit.needs["baseline_images"]).pixels.mean((0, 1, 2))).astype(np.uint8)


CONTROL = "control-"  # what the method of a control begins with


def attribute(
    engine: Any,
    spec: Mapping[str, Any],
    pixels: NDArray[np.uint8],
    targets: NDArray[np.int64],
    keys: Sequence[str],
) -> Attribution:
    """What the method of a saliency unit says of any images by any engine. Targets are labels."""
    from harness.saliency.api import compute

    return compute(
        engine,
        spec["method"],
        preprocess(pixels, spec["model"]["preprocessing"]),
        in_own_classes(targets, spec),
        image_keys=list(keys),
        seed=spec["seed"],
        parameters=spec["parameters"],
    )
