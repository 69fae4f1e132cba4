"""A flatbuffer of the user's own as a model: somebody else's `.tflite`, called as a Keras model is.

A runtime may crash or hang on a foreign file, so that it runs in an agent process on this host. That process is started
at the first call and serves all others; one that ended is started once more.
"""

from __future__ import annotations

import tempfile
import threading
import weakref
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from converters.contents import Contents, Tensor, contents
from harness.cpus import cores
from harness.devices.device import make_device
from harness.devices.job import Job
from harness.devices.known import THIS_HOST
from harness.devices.transport.session import Session
from harness.errors import ConfigError, DeviceError
from harness.models.exported import ExportedModel
from harness.outputs import probabilities
from harness.saliency.attribution import Array
from harness.saliency.methods.scorer import FunctionScorer

PREDICT_SECONDS = 3600.0
MOST_IMAGE_BYTES = 16 << 20  # of one request


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatbufferModel:
    """One file, called with preprocessed float images (N, H, W, C); it gives floats (N, columns).

    Integers of its input and output are made and read by the file's own scale and zero point.
    """

    name: str
    content: bytes
    contents: Contents
    _process: _Process = field(repr=False, compare=False)

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
        return (None, *self.outputs[0].shape[1:])

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
        images = np.ascontiguousarray(images, np.float32)
        size = max(1, MOST_IMAGE_BYTES // max(1, images[:1].nbytes))
        batches = (images[first : first + size] for first in range(0, max(1, len(images)), size))
        return np.concatenate([self._process.outputs(batch) for batch in batches])

    def scorer(self, output: str) -> FunctionScorer:
        """What methods of forward passes ask: the probability of each of its classes, by what its outputs are."""

        def scores(images: Array) -> Array:
            return np.asarray(probabilities(self(images), output), np.float32)

        return FunctionScorer(scores, only_scores=self.why_no_layers)


WITHOUT_LAYERS = (ExportedModel, FlatbufferModel)  # kinds of models that are functions from images to scores alone


def read_flatbuffer(name: str, path: Path) -> FlatbufferModel:
    """The model in a file that was examined. Raises ConfigError for one that is damaged."""
    content = path.read_bytes()
    try:
        summary = contents(content)
    except ValueError as error:  # NotAnArtifact
        raise ConfigError(f'model "{name}": not a sound TFLite flatbuffer: {error}') from error
    return FlatbufferModel(name=name, content=content, contents=summary, _process=_Process(name, content))


class _Process:
    """The agent process that has the file loaded, from the first call until nobody has the model any more."""

    def __init__(self, name: str, content: bytes) -> None:
        self._name, self._content = name, content
        self._session: Session | None = None
        self._stack = ExitStack()
        self._one_at_a_time = threading.Lock()
        weakref.finalize(self, self._stack.close)

    def outputs(self, images: Array) -> Array:
        with self._one_at_a_time:
            try:
                answer = self._running().request(
                    "predict",
                    deadline_s=PREDICT_SECONDS,
                    images=images.tobytes(),
                    shape=list(images.shape),
                    prepared=True,
                )
            except DeviceError as error:
                self._end()
                raise DeviceError(f'model "{self._name}": its file could not be run: {error}') from error
        return np.frombuffer(answer["scores"], np.float32).reshape(answer["shape"])

    def _running(self) -> Session:
        if self._session is None:
            with tempfile.NamedTemporaryFile(prefix="bitlens-", suffix=".tflite") as file:
                file.write(self._content)
                file.flush()
                job = Job(device=make_device(THIS_HOST), artifact=Path(file.name), runtime="auto", num_threads=cores())
                self._session, _ = self._stack.enter_context(job.loaded())
        return self._session

    def _end(self) -> None:
        self._session = None
        self._stack.close()
