"""LiteRT's compiled models: the scores of the interpreter, on one accelerator or refused."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from device import runtimes
from tests.device.test_runtimes import ARTIFACTS, RECORD

pytest.importorskip("ai_edge_litert.compiled_model")


@pytest.mark.parametrize("name", ["float", "int8"])
def test_a_compiled_artifact_gives_the_scores_of_keras(name: str) -> None:
    oracle = np.load(ARTIFACTS / f"{name}.npz")
    engine = runtimes.load(str(ARTIFACTS / f"{name}.tflite"), options={"accelerator": "cpu"})
    engine.set_inputs([engine.inputs[0].encode(oracle["images"][:1], RECORD)])
    engine.invoke()
    scores = engine.outputs[0].decode(engine.get_outputs()[0])
    np.testing.assert_allclose(scores[0], oracle["scores"][0], atol=1e-5 if name == "float" else 8 / 256)


def test_how_many_operators_xnnpack_took_is_known_where_it_took_all() -> None:
    taken = [
        runtimes.load(str(ARTIFACTS / f"{n}.tflite"), options={"accelerator": "cpu"}).taken for n in ("float", "int8")
    ]
    assert taken == [{"XNNPACK": [0, 1, 2, 3, 4]}, {"XNNPACK": None}]  # it leaves the softmax of int8


def test_the_weight_cache_is_made_and_then_used(tmp_path: Path) -> None:
    options = {"accelerator": "cpu", "weight_cache": str(tmp_path / "weights")}
    said = [runtimes.load(str(ARTIFACTS / "float.tflite"), options=options).weight_cache for _ in range(2)]
    assert said == ["made", "used"]
    assert (tmp_path / "weights").stat().st_size > 0


def test_an_accelerator_that_is_not_here_is_refused_and_not_replaced_by_the_cpu() -> None:
    if platform.machine() != "x86_64":
        pytest.skip("needs a machine of which is known that it has no accelerator")
    with pytest.raises(RuntimeError, match="accelerator npu refused it: Some ops are not accelerated") as caught:
        runtimes.load(str(ARTIFACTS / "float.tflite"), options={"accelerator": "npu"})
    assert "\n" not in str(caught.value)


def test_a_graph_that_cannot_be_prepared_is_refused_in_a_sentence() -> None:
    """Its operators are ours, which compiling does not notice."""
    with pytest.raises(RuntimeError, match=r"^accelerator cpu refused it: Failed to allocate tensors$"):
        runtimes.load(str(ARTIFACTS / "lce.tflite"), runtime="ai-edge-litert", options={"accelerator": "cpu"})


def test_an_accelerator_runs_no_signature() -> None:
    with pytest.raises(ValueError, match="an accelerator runs only the main graph"):
        runtimes.load(str(ARTIFACTS / "float.tflite"), inputs={"signature": "x"}, options={"accelerator": "cpu"})
