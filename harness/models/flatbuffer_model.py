"""A flatbuffer of the user's own as a model: somebody else's `.tflite`, called as a Keras model is.

A runtime may crash or hang on a foreign file, so that it runs in an agent process on this host. That process is started
at the first call and serves all others; one that ended is started once more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from converters.contents import Contents, Tensor, contents
from harness.cpus import cores
from harness.errors import ConfigError, DeviceError
from harness.models.exported import ExportedModel
from harness.registry import resolve
from harness.saliency.attribution import Array


class AtWork(Protocol):
    """A file that is run somewhere, such as a harness.devices.kept_artifact.KeptArtifact."""

    def outputs(self, images: Array) -> Array:
        """(N, columns) for prepared images. Raises DeviceError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatbufferModel:
    """One file, called with preprocessed float images (N, H, W, C); it gives floats (N, columns).

    Integers of its input and output are made and read by the file's own scale and zero point.

    here  the file at work on this host.
    """

    name: str
    content: bytes
    contents: Contents
    here: AtWork = field(repr=False, compare=False)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return self.contents.inputs

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return self.contents.outputs

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        return (None, *self.inputs[0].shape[1:])

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, columns): sides of length 1 are left out."""
        return (None, math.prod(self.outputs[0].shape[1:]))

    @property
    def why_no_layers(self) -> str:
        """What whoever asks for layers is told."""
        return f'model "{self.name}" is a flatbuffer, and holds no Keras layers to take features or gradients from'

    @property
    def way_to_layers(self) -> str:
        """What whoever asks for layers can do."""
        return 'keras = "FILE" in its [[model]] table, with a Keras file of the same model, which gives gradients'

    def __call__(self, images: Any, *, training: bool = False) -> Array:
        """(N, columns) what the file returns, all of its columns. Raises DeviceError where it cannot be run."""
        try:
            return self.here.outputs(np.ascontiguousarray(images, np.float32))
        except DeviceError as error:
            raise DeviceError(f'model "{self.name}": its file could not be run: {error}') from error


WITHOUT_LAYERS = (ExportedModel, FlatbufferModel)  # kinds of models that are functions from images to scores alone


def read_flatbuffer(name: str, path: Path) -> FlatbufferModel:
    """The model in a file that was examined. Raises ConfigError for one that is damaged."""
    content = path.read_bytes()
    try:
        summary = contents(content)
    except ValueError as error:  # NotAnArtifact
        raise ConfigError(f'model "{name}": not a valid TFLite flatbuffer: {error}') from error
    here = resolve("harness.devices.kept_artifact:on_this_host")(content, num_threads=cores())
    return FlatbufferModel(name=name, content=content, contents=summary, here=here)
