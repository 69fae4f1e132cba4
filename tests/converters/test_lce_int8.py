"""lce-int8 against LCE's converter, LCE's interpreter, and Keras where the model was trained with fake quantization."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from converters import ConversionError
from converters.lce import lce, lce_int8
from converters.rewriting.graph import Graph, Tensor
from device.preprocessing import preprocess
from harness.datasets.dataset import stack
from harness.datasets.planted import PlantedDataset
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model
from tests.converters.quantization_aware import MODELS, STEP, binary_block, model, ranged
from tests.converters.rewriting.cases import CASES
from tests.converters.rewriting.running import flat, graph_of, needs_lce, on_lce, on_our_operators
from tests.converters.rewriting.small_models import image, randomise

ROUND_TRIP = {"QUANTIZE INT8", "DEQUANTIZE FLOAT32"}
DEFAULT_STEP = 6 / 255
# Where LCE computes in floats with signs that it does not give a range; and where `lce` has other operators too.
OTHERWISE = {"dense", "dense first", "sign for floats too", "transposed", "two bits"} | {
    name for name, case in CASES.items() if case.as_lce
}


@cache
def aware(name: str) -> Any:
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    made = MODELS[name]()
    randomise(made)
    return made


@cache
def unaware(name: str) -> Any:
    import tensorflow as tf

    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(1)
    made = CASES[name].build()
    randomise(made)
    return made


@cache
def twin() -> Any:
    return load_model(catalogue_model("planted-binary", CATALOGUE["planted-binary"]))


def original(model: Any) -> bytes:
    from converters import lce_original

    return lce_original.lce_int8(model)


def images(model: Any, count: int = 3) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, (count, *model.input_shape[1:])).astype(np.float32)


def operators(content: bytes) -> Counter[str]:
    return Counter(f"{operator.name} {operator.output.type}" for operator in graph_of(content).operators)


def integers(graph: Graph) -> list[Tensor]:
    """The int8 tensors, in the order in which operators meet them."""
    ends = [tensor for operator in graph.operators for tensor in (*operator.inputs, *operator.outputs)]
    return [tensor for tensor in ends if tensor is not None and tensor.type == "INT8"]


def assert_same_integers(content: bytes, expected: bytes) -> None:
    """The same scales, but for the last bit, zero points and constants."""
    ours, theirs = graph_of(content), graph_of(expected)
    assert [operator.name for operator in ours.operators] == [operator.name for operator in theirs.operators]
    for mine, other in zip(integers(ours), integers(theirs), strict=True):
        np.testing.assert_allclose(mine.quantization.scale, other.quantization.scale, rtol=2e-7)
        np.testing.assert_array_equal(mine.quantization.zeroPoint, other.quantization.zeroPoint)
        assert (mine.data is None) == (other.data is None)
        assert mine.data is None or mine.data.tobytes() == (other.data.tobytes() if other.data is not None else b"")


@pytest.mark.parametrize("name", MODELS)
def test_trained_ranges_give_what_keras_gives_within_a_step(name: str) -> None:
    expected = flat(aware(name).predict(images(aware(name)), verbose=0))
    scores = on_our_operators(lce_int8(aware(name)), images(aware(name)))
    assert np.abs(scores - expected).max() <= 1.01 * STEP


@needs_lce
@pytest.mark.parametrize("name", MODELS)
def test_trained_ranges_give_the_artifact_of_lce_s_converter(name: str) -> None:
    content, expected = lce_int8(aware(name)), original(aware(name))
    assert_same_integers(content, expected)
    assert len(content) <= 1.01 * len(expected)
    np.testing.assert_array_equal(
        on_our_operators(content, images(aware(name))), on_our_operators(expected, images(aware(name)))
    )


@needs_lce
def test_default_ranges_give_the_twin_of_lce_s_converter() -> None:
    content, expected = lce_int8(twin()), original(twin())
    assert_same_integers(content, expected)
    assert len(content) <= 1.01 * len(expected)
    photos, _ = stack(PlantedDataset(seed=1), "test", range(6))
    batch = preprocess(photos, CATALOGUE["planted-binary"].preprocessing)
    softmax_step = 1 / 256
    difference = on_our_operators(content, batch) - on_our_operators(expected, batch)
    assert np.abs(difference).max() <= 1.01 * softmax_step


@needs_lce
@pytest.mark.parametrize("name", [name for name in CASES if name not in OTHERWISE])
def test_default_ranges_give_lce_s_operators_without_round_trips_through_integers(name: str) -> None:
    """LCE also quantizes and dequantizes what no integer operator reads: that changes numbers and saves nothing."""
    mine, theirs = operators(lce_int8(unaware(name))), operators(original(unaware(name)))
    assert not mine - theirs
    assert set(theirs - mine) <= ROUND_TRIP


@needs_lce
@pytest.mark.parametrize("name", CASES)
def test_artifact_runs_on_lce_s_interpreter_and_on_ours_within_a_step(name: str) -> None:
    content, batch = lce_int8(unaware(name)), images(unaware(name))
    assert np.abs(on_our_operators(content, batch) - on_lce(content, batch)).max() <= 1.01 * DEFAULT_STEP


@pytest.mark.parametrize("name", CASES)
def test_artifact_is_no_larger_than_that_of_floats(name: str) -> None:
    """But for the scales, zero points and conversions of a model that has next to no weights."""
    assert len(lce_int8(unaware(name))) <= len(lce(unaware(name))) + 2000


def test_conversion_is_repeatable_to_the_byte_and_says_nothing_of_tensorflow() -> None:
    import tensorflow as tf

    content = lce_int8(twin())
    assert content == lce_int8(twin())
    assert tf.__version__.encode() not in content


def test_fake_quantization_to_sixteen_bits_is_refused() -> None:
    start = image()
    made = model(start, binary_block(ranged(start, num_bits=16)))
    with pytest.raises(ConversionError, match=r'layer "ranges.*" has fake quantization to UINT16') as caught:
        lce_int8(made)
    assert "num_bits=8" in caught.value.hint
