"""A full-precision model's scores, faster: its own floats, run by the kernels that a board would use (XNNPACK), or by
ours where those are faster and add in the same order.

It differs from the Keras model by rounding in the last bits. That is nothing to a full-precision model, but turns
signs in a binarized one, which therefore is refused here.
"""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.tflite import fp32
from harness.cpus import cores
from harness.errors import BitlensError, ConfigError
from harness.native import build
from harness.native.judged_pixels import Preprocessing
from harness.quality.inputs import OneByOne


class XnnpackModel:
    """Class scores (n, classes) of uint8 images: what a FloatJudge takes as `predict`.

    preprocessing  the record of the model.
    threads        images at a time, each by one thread; by default one per core this process may use.
    """

    def __init__(self, model: Any, preprocessing: Mapping[str, Any], *, threads: int | None = None) -> None:
        if has_quantizers(model):
            raise ConfigError(f'model "{model.name}": binarized, so that rounding would change its scores')
        content = fp32(model)
        self._preprocess = Preprocessing(preprocessing)
        self._interpreters = [_interpreter(content) for _ in range(threads or cores())]
        self._pool = ThreadPoolExecutor(len(self._interpreters))

    def __call__(self, images: OneByOne) -> NDArray[np.float32]:
        """Images may be any sequence that gives them in slices: it is asked for one after the other, by any thread."""
        scores: list[Any] = [None] * len(images)
        turns = iter(range(len(images)))  # of all threads: a faster one takes more
        works = [self._pool.submit(self._fill, scores, each, images, turns) for each in self._interpreters]
        try:
            wait(works, return_when=FIRST_EXCEPTION)
        finally:
            deque(turns, maxlen=0)  # after an error or an interrupt, nobody has another turn
            wait(works)  # and no interpreter is still at work when it is asked again
        for work in works:
            work.result()
        return np.concatenate(scores)

    def _fill(self, scores: list[Any], interpreter: Any, images: OneByOne, turns: Iterator[int]) -> None:
        """One image after the other: an image's activations stay in the cache, and no batch is copied."""
        source, target = (
            details()[0]["index"] for details in (interpreter.get_input_details, interpreter.get_output_details)
        )
        for i in turns:
            self._preprocess(images[i : i + 1], out=interpreter.tensor(source)())
            interpreter.invoke()
            scores[i] = interpreter.get_tensor(target)


def has_quantizers(model: Any) -> bool:
    """Whether rounding could change what the model says by more than rounding."""
    from harness.saliency.engine.graph import read_graph
    from harness.saliency.engine.rewrites.binarized import constant_kernels, has_pseudo_gradient

    graph = read_graph(model)
    return has_pseudo_gradient(graph) or any(constant_kernels(step.layer) for step in graph.steps)


@functools.cache
def operators() -> str | None:
    """Our operators' library; None where it neither is nor can be built, and XNNPACK says the same more slowly."""
    try:
        return str(build.host_library())
    except (BitlensError, OSError):
        return None


def _interpreter(content: bytes) -> Any:
    """With our operators, unless this runtime does not take them."""
    from ai_edge_litert.interpreter import load_delegate

    library = operators()
    if library is not None:
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            return _allocated(content, [load_delegate(library, {"num_threads": "1", "floats": "1"})])
    return _allocated(content, [])


def _allocated(content: bytes, delegates: list[Any]) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1, experimental_delegates=delegates)
    interpreter.allocate_tensors()
    return interpreter
