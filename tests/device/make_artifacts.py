"""Makes the small models that the device tests run, with the scores that Keras gives.

    python tests/device/make_artifacts.py

float.tflite, batch4.tflite and int8.tflite (of one model) and lce.tflite, each with `<name>.npz`: images and scores.
For int8 the oracle is the float model, which it follows within a few quantization steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "artifacts"
RECORD = {"height": 8, "width": 8, "resize": 8, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}


def main() -> None:
    import larq as lq
    import larq_compute_engine as lce
    import tensorflow as tf

    from device.preprocessing import preprocess

    tf.keras.utils.set_random_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3), np.uint8)
    inputs = preprocess(images, RECORD)
    layers = tf.keras.layers
    stem = [tf.keras.Input((8, 8, 3)), layers.Conv2D(8, 3, activation="relu", padding="same")]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(5, kernel_initializer="random_normal"), layers.Softmax()]
    plain = tf.keras.Sequential([*stem, layers.Conv2D(16, 3, strides=2), *head])
    binary = lq.layers.QuantConv2D(16, 3, input_quantizer="ste_sign", kernel_quantizer="ste_sign", padding="valid")
    binarized = tf.keras.Sequential([*stem, layers.BatchNormalization(), binary, *head])
    FOLDER.mkdir(exist_ok=True)
    contents = {
        "float": (plain, _convert(plain)),
        "batch4": (plain, _convert(plain, batch=4)),
        "int8": (plain, _convert(plain, calibration=inputs)),
        "lce": (binarized, lce.convert_keras_model(binarized)),
    }
    for name, (model, content) in contents.items():
        (FOLDER / f"{name}.tflite").write_bytes(content)
        np.savez_compressed(FOLDER / f"{name}.npz", images=images, scores=model(inputs, training=False).numpy())


def _convert(model, calibration=None, batch=1) -> bytes:  # type: ignore[no-untyped-def]
    import tensorflow as tf

    signature = tf.TensorSpec((batch, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(signature)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


if __name__ == "__main__":
    main()
