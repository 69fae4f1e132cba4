"""A flatbuffer explained by itself: the Keras model that it was converted from is the peer, and one process does it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.tflite import Calibration, fp32, int8, with_int8_ends
from device.preprocessing import preprocess
from harness.devices.device import make_device
from harness.devices.kept_artifact import KeptArtifact
from harness.devices.known import THIS_HOST
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentLost
from harness.errors import ConfigError
from harness.models.flatbuffer_layers import FlatbufferLayers
from harness.models.flatbuffer_model import FlatbufferModel, read_flatbuffer
from harness.models.flatbuffer_scorer import quantized_input, scorer_of_model
from harness.saliency import GradientEngine, compute
from harness.saliency.methods.scorer import FunctionScorer

SIZE = 16
RECORD = {
    "height": SIZE,
    "width": SIZE,
    "channel_order": "rgb",
    "mean": [127.5] * 3,
    "scale": [1 / 127.5] * 3,
}
PIXEL = {**RECORD, "height": 1, "width": 1}
PIXELS = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
IMAGES = preprocess(PIXELS, RECORD)
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("occlusion", {"window": 0.5, "stride": 0.25}),
    ("rise", {"masks": 40, "output": "logit"}),
    ("finite_differences", {"grid": 4}),
    ("scorecam", {}),
    ("scorecam", {"max_channels": 3, "relu": False}),
]


@pytest.fixture(scope="module")
def keras_model() -> Any:
    """Two convolutions, a sum past one of them, a pool and a softmax."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    layers = tf.keras.layers
    inputs = tf.keras.Input((SIZE, SIZE, 3))
    first = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    second = layers.Conv2D(4, 3, padding="same", name="second")(layers.MaxPool2D()(first))
    added = layers.ReLU(name="added")(layers.Add()([second, layers.MaxPool2D()(first)]))
    outputs = layers.Dense(5, activation="softmax")(layers.GlobalAveragePooling2D()(added))
    model = tf.keras.Model(inputs, outputs)
    model.set_weights([3 * weights for weights in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def flatbuffer(keras_model: Any, tmp_path_factory: pytest.TempPathFactory) -> FlatbufferModel:
    return read(fp32(keras_model), tmp_path_factory.mktemp("fp32"))


@pytest.fixture(scope="module")
def quantized(keras_model: Any, tmp_path_factory: pytest.TempPathFactory) -> FlatbufferModel:
    levels = preprocess(np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None, None], (256, 1, 1, 3)), PIXEL)
    return read(
        int8(keras_model, Calibration(images=lambda: IMAGES, levels=levels.reshape(256, 3))),
        tmp_path_factory.mktemp("int8"),
    )


def read(content: bytes, folder: Path) -> FlatbufferModel:
    (folder / "model.tflite").write_bytes(content)
    return read_flatbuffer("mine", folder / "model.tflite")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The devices that were opened, each time an agent was started."""
    seen: list[str] = []
    start = LocalDevice.open

    def counted(device: LocalDevice) -> Any:
        seen.append(device.name)
        return start(device)

    monkeypatch.setattr(LocalDevice, "open", counted)
    return seen


@pytest.mark.parametrize(("method", "parameters"), METHODS)
def test_maps_of_a_converted_file_are_those_of_its_keras_model(
    method: str, parameters: dict[str, Any], keras_model: Any, flatbuffer: FlatbufferModel
) -> None:
    expected = compute(GradientEngine(keras_model), method, IMAGES, [1, 3], seed=2, parameters=parameters)
    scorer = scorer_of_model(flatbuffer, "probabilities")
    got = compute(scorer, method, IMAGES, [1, 3], seed=2, parameters=parameters)
    assert np.ptp(expected.values) > 1e-3
    np.testing.assert_allclose(got.values, expected.values, atol=2e-5 * np.abs(expected.values).max())
    np.testing.assert_array_equal(got.predicted, expected.predicted)


def test_one_process_serves_a_whole_explanation(keras_model: Any, tmp_path: Path, opened: list[str]) -> None:
    scorer = scorer_of_model(read(fp32(keras_model), tmp_path), "probabilities")
    compute(scorer, "rise", IMAGES, parameters={"masks": 100})
    compute(scorer, "occlusion", IMAGES)
    assert opened == ["this-host"]


def test_progress_ends_with_all_that_there_is(flatbuffer: FlatbufferModel) -> None:
    from dataclasses import replace

    seen: list[tuple[int, int]] = []
    scorer = replace(scorer_of_model(flatbuffer, "probabilities"), on_progress=lambda done, of: seen.append((done, of)))
    compute(scorer, "rise", IMAGES, parameters={"masks": 50})
    assert [done for done, _ in seen] == [32, 64, 96, 100]
    assert {of for _, of in seen} == {100}


def test_a_gradient_method_asks_for_a_keras_file_in_one_sentence(flatbuffer: FlatbufferModel) -> None:
    with pytest.raises(ConfigError) as refusal:
        compute(scorer_of_model(flatbuffer, "probabilities"), "gradcam", IMAGES)
    assert str(refusal.value) == (
        '"gradcam" needs more of a model than its scores: model "mine" is a flatbuffer, and holds no Keras layers to '
        'take features or gradients from\n  try: keras = "FILE" in its [[model]] table, with a Keras file of the same '
        "model, which gives gradients; or one of scorecam, occlusion, rise, finite_differences"
    )


# ------------------------------------------------------------------------------------------------------ inner tensors
def test_the_last_activation_of_a_file_is_that_of_its_keras_model(
    keras_model: Any, flatbuffer: FlatbufferModel
) -> None:
    scorer, engine = scorer_of_model(flatbuffer, "probabilities"), GradientEngine(keras_model)
    for reading in ("last_activation", "last_convolution"):
        expected = engine.features(IMAGES, "added")
        np.testing.assert_allclose(scorer.features(IMAGES, scorer.layer(reading)), expected, atol=1e-4)


def test_a_layer_beside_the_way_is_marked_and_an_unknown_one_suggests_the_nearest(flatbuffer: FlatbufferModel) -> None:
    layers = FlatbufferLayers(flatbuffer.content).candidates
    assert [info.kind for info in layers] == ["CONV_2D", "MAX_POOL_2D", "CONV_2D", "ADD"]
    assert [info.bypassed for info in layers] == [False, False, True, False]
    wrong = layers[0].name[:-1] + "x"
    with pytest.raises(ConfigError, match="has no layer"):
        scorer_of_model(flatbuffer, "probabilities").layer(wrong)


def test_a_file_whose_logits_stand_nowhere_says_so(flatbuffer: FlatbufferModel) -> None:
    scorer = scorer_of_model(flatbuffer, "independent-probabilities")  # it ends in a softmax, not in a sigmoid
    with pytest.raises(ConfigError, match=r'its file has no logits.*\n  try: output = "score"'):
        compute(scorer, "rise", IMAGES, parameters={"masks": 2, "output": "logit"})


# ---------------------------------------------------------------------------------------------------- quantized inputs
@pytest.mark.parametrize("ends", ["float", "int8"])
def test_a_quantized_input_sees_what_rounding_leaves_of_an_image(
    ends: str, quantized: FlatbufferModel, tmp_path: Path
) -> None:
    """Also where the input is of floats, and the first operator rounds them."""
    model = quantized if ends == "float" else read(with_int8_ends(quantized.content), tmp_path)
    scorer, steps = scorer_of_model(model, "probabilities"), quantized_input(model.content)
    assert steps is not None
    images = np.random.default_rng(3).uniform(-1.2, 1.2, (4, SIZE, SIZE, 3)).astype(np.float32)
    seen = scorer.seen(images)
    assert 0 < np.abs(seen - np.clip(images, seen.min(), seen.max())).max() <= 0.501 * steps.scale
    np.testing.assert_array_equal(scorer.seen(seen), seen)
    np.testing.assert_array_equal(scorer.scores(seen), scorer.scores(images))


def test_prepared_pixels_are_rounded_as_pixels_are(quantized: FlatbufferModel) -> None:
    """Whether the host or the device prepares them: all 256 values of a pixel give the same integers."""
    pixels = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(1, SIZE, SIZE, 1).repeat(3, axis=3)
    content = with_int8_ends(quantized.content)
    kept = KeptArtifact(make_device(THIS_HOST), content, preprocessing=RECORD)
    np.testing.assert_array_equal(kept.outputs(preprocess(pixels, RECORD)), kept.outputs(pixels))
    kept.close()


def test_a_float_input_gets_changed_images_as_they_are(flatbuffer: FlatbufferModel) -> None:
    scorer: FunctionScorer = scorer_of_model(flatbuffer, "probabilities")
    assert scorer.seen(IMAGES) is IMAGES
    assert (scorer.scores(IMAGES) != scorer.scores(IMAGES + np.float32(1e-3))).any()


# --------------------------------------------------------------------------------------------------------- the process
def test_a_process_that_dies_is_an_error_that_says_so_and_the_next_request_starts_another(
    flatbuffer: FlatbufferModel, opened: list[str]
) -> None:
    kept = KeptArtifact(make_device(THIS_HOST), flatbuffer.content)
    expected = kept.outputs(IMAGES)
    os.kill(kept._running(IMAGES.shape[1:]).request("hello", deadline_s=60)["machine"]["pid"], signal.SIGKILL)
    with pytest.raises(AgentLost, match=r'device "this-host": the agent was lost in predict: signal 9'):
        kept.outputs(IMAGES)
    np.testing.assert_array_equal(kept.outputs(IMAGES), expected)
    assert opened == ["this-host"] * 2
    kept.close()


def test_a_model_that_nobody_has_any_more_leaves_no_process(flatbuffer: FlatbufferModel) -> None:
    kept = KeptArtifact(make_device(THIS_HOST), flatbuffer.content)
    kept.outputs(IMAGES)
    pid = kept._running(IMAGES.shape[1:]).request("hello", deadline_s=60)["machine"]["pid"]
    del kept
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
