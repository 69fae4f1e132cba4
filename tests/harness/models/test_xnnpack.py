"""The faster judge of full-precision models, against the Keras model whose floats it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tf_keras

from device.preprocessing import preprocess
from harness.models import xnnpack
from harness.models.xnnpack import XnnpackModel
from harness.native import build

RECORD = {"height": 12, "width": 12, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}


@pytest.fixture(scope="module")
def model() -> tf_keras.Model:
    tf_keras.utils.set_random_seed(0)
    layers = tf_keras.layers
    return tf_keras.Sequential(
        [layers.Input((12, 12, 3)), layers.Conv2D(8, 3, activation="relu"), layers.Flatten(), layers.Dense(4)]
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [1, 7])
def test_scores_are_the_keras_models_and_belong_to_their_images(
    model: tf_keras.Model, threads: int, count: int
) -> None:
    images = np.random.default_rng(count).integers(0, 256, (count, 12, 12, 3)).astype(np.uint8)
    scores = XnnpackModel(model, RECORD, threads=threads)(images)
    assert np.allclose(scores, model(preprocess(images, RECORD)), atol=1e-5)


def test_after_an_error_the_other_threads_soon_end(model: tf_keras.Model) -> None:
    count, asked = 10**5, []

    class BrokenAtFirst:
        def __len__(self) -> int:
            return count

        def __getitem__(self, wanted: slice) -> np.ndarray:
            asked.append(wanted.start)
            if wanted.start == 0:
                raise OSError("this image cannot be read")
            return np.zeros((1, 12, 12, 3), np.uint8)

    predict = XnnpackModel(model, RECORD, threads=2)
    with pytest.raises(OSError, match="cannot be read"):
        predict(BrokenAtFirst())
    predict._pool.shutdown()  # waits for those that are still at work
    assert len(asked) < count


def _mobile(inputs: Any) -> Any:
    """Blocks like MobileNet's, with channels that are no whole vectors."""
    layers, y = tf_keras.layers, tf_keras.layers.Conv2D(16, 3, 2, padding="same", activation="relu")(inputs)
    for filters, stride in ((24, 2), (24, 1), (40, 1), (40, 2)):
        before = y
        y = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(3 * filters, 1, use_bias=False)(y)))
        y = layers.ReLU(6.0)(layers.DepthwiseConv2D(3, stride, padding="same")(y))
        y = layers.Conv2D(filters, 1)(y)
        y = layers.Add()([before, y]) if before.shape == y.shape else y
    return y


def _residual(inputs: Any) -> Any:
    layers, y = tf_keras.layers, tf_keras.layers.Conv2D(24, 3, padding="same", activation="relu")(inputs)
    for _ in range(2):
        inner = layers.Conv2D(24, 3, padding="same")(layers.Conv2D(24, 1, activation="relu")(y))
        y = layers.ReLU()(layers.Add()([y, inner]))
    return y


@pytest.mark.parametrize("size", [(47, 61), (64, 64)])
@pytest.mark.parametrize("body", [_mobile, _residual])
def test_scores_have_the_same_bits_with_and_without_our_operators(
    body: Callable[[Any], Any], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if xnnpack.operators() is None:
        pytest.skip("no library of operators, and no compiler for it")
    tf_keras.utils.set_random_seed(1)
    layers = tf_keras.layers
    inputs = layers.Input((*size, 3))
    model = tf_keras.Model(inputs, layers.Dense(90)(layers.GlobalAveragePooling2D()(body(inputs))))
    record = RECORD | {"height": size[0], "width": size[1]}
    images = np.random.default_rng(1).integers(0, 256, (5, *size, 3)).astype(np.uint8)
    ours = XnnpackModel(model, record, threads=2)(images)
    monkeypatch.setattr(xnnpack, "operators", lambda: None)
    assert ours.tobytes() == XnnpackModel(model, record, threads=2)(images).tobytes()


def test_without_a_compiler_xnnpack_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_compiler() -> None:
        raise build.NoCompiler("none")

    monkeypatch.setattr(build, "host_library", no_compiler)
    xnnpack.operators.cache_clear()
    try:
        assert xnnpack.operators() is None
    finally:
        xnnpack.operators.cache_clear()


def test_where_a_runtime_takes_no_operators_of_ours_xnnpack_says_the_same(
    model: tf_keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise ValueError("this TFLite runtime lays its structures out in a way that this library does not know")

    images = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 3)).astype(np.uint8)
    with_ours = XnnpackModel(model, RECORD)(images)
    monkeypatch.setattr(xnnpack, "operators", lambda: "a library")
    monkeypatch.setattr("ai_edge_litert.interpreter.load_delegate", refused)
    assert np.array_equal(XnnpackModel(model, RECORD)(images), with_ours)
