"""A flatbuffer as methods of forward passes ask it: scores, and its inner tensors where they can be read.

Each of its parts is run in an agent process of its own, which serves the whole explanation: the file itself, and the
same file cut off behind a layer, or before its softmax, where somebody asks for features or logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from converters.contents import contents
from converters.input_range import same_values
from converters.schema import read, type_name
from device.preprocessing import dequantize, stored
from harness.cpus import cores
from harness.devices.device import Device, make_device
from harness.devices.kept_artifact import REQUEST_BYTES, KeptArtifact
from harness.devices.known import THIS_HOST
from harness.devices.runtime_choice import AUTO, Runtime
from harness.errors import ConfigError
from harness.models.flatbuffer_layers import FlatbufferLayers
from harness.models.flatbuffer_model import AtWork, FlatbufferModel
from harness.outputs import ONE_COLUMN, probabilities
from harness.saliency.attribution import Array
from harness.saliency.engine.layers import resolve
from harness.saliency.engine.logits import AS_THEY_ARE
from harness.saliency.methods.scorer import FunctionScorer

MOST_IMAGES = 32  # at a time, so that progress is seen
_WHOLE, _LOGITS = "the file", "up to the logits"


def flatbuffer_scorer(
    content: bytes,
    device: Device,
    *,
    name: str,
    output: str,
    whole: AtWork | None = None,
    only_scores: str = "",
    way_to_more: str = "",
    runtime: Runtime = AUTO,
    num_threads: int = 1,
) -> FunctionScorer:
    """What a device makes of prepared float images (n, H, W, C) with this file.

    output       what its outputs are, as in `harness.outputs`; classes are those of its outputs.
    whole        the file at work there already.
    only_scores  what whoever asks for gradients is told; way_to_more  what they can do.
    A quantized input rounds images to its own steps, once, on the device; a float input gets them as they are.
    """
    file = _File(content, device, name=name, output=output, runtime=runtime, threads=num_threads)
    file.parts = {_WHOLE: whole} if whole is not None else {}
    [first, *_], quantized = contents(content).inputs, quantized_input(content)
    return FunctionScorer(
        file.scores,
        batch_size=max(1, min(MOST_IMAGES, REQUEST_BYTES // (4 * max(1, math.prod(first.shape[1:]))))),
        only_scores=only_scores,
        way_to_more=way_to_more,
        logits_function=file.logits,
        feature_function=file.features,
        candidates=file.layers.candidates,
        layer_function=lambda layer: resolve(list(file.layers.candidates), layer, model_name=name),
        rounding=None if quantized is None else partial(rounded, steps=quantized),
    )


def scorer_of_model(
    model: FlatbufferModel,
    output: str,
    *,
    device: Device | None = None,
    num_threads: int | None = None,
) -> FunctionScorer:
    """The same of a flatbuffer of the user's own; by default in its own process on this host, with all cores."""
    return flatbuffer_scorer(
        model.content,
        device or make_device(THIS_HOST),
        name=model.name,
        output=output,
        whole=model.here if device is None else None,
        only_scores=model.why_no_layers,
        way_to_more=model.way_to_layers,
        num_threads=num_threads or cores(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The integers that an input is rounded to, and what they stand for."""

    dtype: str
    scale: float
    zero_point: int


def quantized_input(content: bytes) -> Steps | None:
    """The steps of the first tensor of integers that holds the input's values; None where they stay floats."""
    model = read(content)
    for tensor in same_values(model, model.subgraphs[0]):
        dtype = type_name(tensor.type).lower()
        if dtype.startswith(("int", "uint")):
            quantization = tensor.quantization
            if quantization is None or quantization.scale is None or len(quantization.scale) == 0:
                return Steps(dtype=dtype, scale=1.0, zero_point=0)
            return Steps(dtype=dtype, scale=float(quantization.scale[0]), zero_point=int(quantization.zeroPoint[0]))
    return None


def rounded(images: Array, *, steps: Steps) -> Array:
    """The real values (N, H, W, C) that are left of images in a quantized input."""
    integers = stored(images, dtype=np.dtype(steps.dtype), scale=steps.scale, zero_point=steps.zero_point)
    return np.asarray(dequantize(integers, scale=steps.scale, zero_point=steps.zero_point), np.float32)


class _File:
    """One file on one device, and the parts of it that somebody has asked for."""

    def __init__(
        self,
        content: bytes,
        device: Device,
        *,
        name: str,
        output: str,
        runtime: Runtime,
        threads: int,
    ) -> None:
        self.layers, self.parts = FlatbufferLayers(content), dict[str, AtWork]()
        self._content, self._device, self._name, self._output = content, device, name, output
        self._how: dict[str, Any] = {"runtime": runtime, "num_threads": threads}

    def scores(self, images: Array) -> Array:
        return np.asarray(probabilities(self._outputs(_WHOLE, lambda: self._content, images), self._output), np.float32)

    def logits(self, images: Array) -> Array:
        """Raises ConfigError where the file has none."""
        part = _WHOLE if self._output in AS_THEY_ARE else _LOGITS
        values = self._outputs(part, self._before_head, images)
        return np.concatenate([-values, values], axis=1) if self._output in ONE_COLUMN else values

    def features(self, images: Array, layer: str) -> Array:
        info = next(info for info in self.layers.candidates if info.name == layer)
        values = self._outputs(f"behind {layer}", lambda: self.layers.cut_behind(layer), images)
        return values.reshape(len(images), info.height, info.width, info.channels)

    def _before_head(self) -> bytes:
        cut = self.layers.cut_before_head(self._output)
        if cut is None:
            raise ConfigError(
                f'model "{self._name}": its file has no logits, since it does not end in a softmax or sigmoid',
                hint='output = "score", or a method that asks for no logits',
            )
        return cut

    def _outputs(self, part: str, content: Callable[[], bytes], images: Array) -> Array:
        if part not in self.parts:
            self.parts[part] = KeptArtifact(self._device, content(), **self._how)
        return self.parts[part].outputs(images)
