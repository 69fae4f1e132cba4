"""An artifact that answers many requests in one agent process, as an explanation by forward passes asks them.

The process is started at the first request. One that ended is named in an error, and the next request starts another;
only what a broken connection cut off is asked again by itself, see retry.py.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.devices.device import Device, make_device
from harness.devices.in_flight import Request, answers, pieces, scores_of
from harness.devices.job import Job
from harness.devices.known import THIS_HOST
from harness.devices.retry import try_whole_job_again
from harness.devices.transport.session import Session
from harness.errors import DeviceError

PREDICT_SECONDS = 3600.0
REQUEST_BYTES = 8 << 20  # of images that are worth asking about at once


class KeptArtifact:
    """One artifact on one device. Ends its process when it is closed, or when nobody has it any more.

    content        the flatbuffer, as bytes or as a file.
    preprocessing  how uint8 images become its input; None where only prepared ones are sent.
    """

    def __init__(
        self,
        device: Device,
        content: bytes | Path,
        *,
        preprocessing: Mapping[str, Any] | None = None,
        runtime: str = "auto",
        num_threads: int = 1,
    ) -> None:
        self._device, self._content, self._preprocessing = device, content, preprocessing
        self._how: dict[str, Any] = {"runtime": runtime, "num_threads": num_threads}
        self._session: Session | None = None
        self._stack = ExitStack()
        self._one_at_a_time = threading.Lock()
        weakref.finalize(self, self._stack.close)

    def outputs(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """(N, columns) what the artifact returns for images (N, H, W, C).

        images  uint8 at its input size, or float32 ones that are prepared: what its input stands for. A quantized input
                rounds them to its own steps, on the device.
        Raises DeviceError.
        """
        with self._one_at_a_time:
            return try_whole_job_again(partial(self._ask, images))

    def close(self) -> None:
        self._session = None
        self._stack.close()

    def _ask(self, images: NDArray[Any]) -> NDArray[np.float32]:
        try:
            session = self._running(images.shape[1:])
            parts = map(partial(_request, images), pieces(len(images), images[:1].nbytes))
            found = [scores_of(answer) for answer in answers(session, "predict", parts, deadline_s=PREDICT_SECONDS)]
        except DeviceError:
            self.close()
            raise
        return np.concatenate(found)

    def _running(self, image_shape: tuple[int, ...]) -> Session:
        """`image_shape` is for an input that leaves its own open."""
        if self._session is None:
            with _as_file(self._content) as path:
                what: dict[str, Any] = {
                    "preprocessing": self._preprocessing,
                    "inputs": {"shapes": {"": [1, *image_shape]}},
                }
                job = Job(device=self._device, artifact=path, **what, **self._how)
                self._session, _ = self._stack.enter_context(job.loaded())
        return self._session


def _request(images: NDArray[Any], piece: slice) -> Request:
    return Request(arguments=lambda packed: {"images": packed(images[piece])})


def on_this_host(content: bytes, *, num_threads: int) -> KeptArtifact:
    """An artifact that is run by an agent here."""
    return KeptArtifact(make_device(THIS_HOST), content, num_threads=num_threads)


@contextmanager
def _as_file(content: bytes | Path) -> Iterator[Path]:
    """The file, for as long as it takes to send it."""
    if isinstance(content, Path):
        yield content
        return
    with NamedTemporaryFile(prefix="bitlens-", suffix=".tflite") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)
