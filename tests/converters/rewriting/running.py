"""Flatbuffers of small models on LCE's own interpreter and on our operators."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from converters.rewriting.graph import Graph
from converters.rewriting.reading import read_model

HAS_LCE = importlib.util.find_spec("larq_compute_engine") is not None
needs_lce = pytest.mark.skipif(not HAS_LCE, reason="needs larq-compute-engine, which this Python has no package of")


def graph_of(content: bytes) -> Graph:
    (graph,) = read_model(content).graphs
    return graph


def on_lce(content: bytes, images: np.ndarray) -> np.ndarray:
    """Scores by LCE's interpreter, with the kernel that accepts the graph: groups need its second one."""
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    try:
        interpreter = Interpreter(content)
    except RuntimeError:
        interpreter = Interpreter(content, use_indirect_bgemm=True)
    return flat(interpreter.predict(images))


def on_our_operators(content: bytes, images: np.ndarray) -> np.ndarray:
    from ai_edge_litert import interpreter as litert

    from harness.native import build

    try:
        library = build.host_library()
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    interpreter = litert.Interpreter(
        model_content=content, experimental_delegates=[litert.load_delegate(str(library))], num_threads=1
    )
    interpreter.allocate_tensors()
    return flat(np.concatenate([_invoke(interpreter, image) for image in images]))


def _invoke(interpreter: Any, image: np.ndarray) -> np.ndarray:
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], image[None])
    interpreter.invoke()
    scores: np.ndarray = interpreter.get_tensor(result["index"])
    return scores


def flat(scores: Any) -> np.ndarray:
    return np.asarray(scores).reshape(len(scores), -1)
