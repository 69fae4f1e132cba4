"""The contenders of benchmarks/lce_ops.py: whole models with our operators, with LCE's interpreter, and in floats."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness import keras_packages
from harness.native.build import host_library

MODELS = ("QuickNet", "BinaryAlexNet", "BinaryResNetE18", "MeliusNet22", "RealToBinaryNet")
FLOAT_TWIN = "QuickNetFloat"
INPUT_SHAPE = (1, 224, 224, 3)
RUNTIME = "ai_edge_litert.interpreter"
# LCE's settings as (reference, indirect, XNNPACK for the builtin operators).
LCE_SETTINGS = {
    "default": (False, False, False),
    "default+xnnpack": (False, False, True),
    "indirect": (False, True, False),
    "indirect+xnnpack": (False, True, True),
}

Run = Callable[[np.ndarray], Any]


def model_contenders(name: str, models: Path) -> dict[str, Run]:
    path = models / f"{name}.tflite"
    contenders = {"ours": delegated(path), **{f"lce {setting}": larq(path, setting) for setting in LCE_SETTINGS}}
    if name == "QuickNet":
        contenders["ours, 2 threads"] = delegated(path, num_threads=2)
        contenders["ours, unfused"] = delegated(path, fuse=0)
        contenders["ours, avx2"] = delegated(path, kernel="avx2")
        contenders["ours, portable"] = delegated(path, kernel="portable")
        contenders["float"] = stock(models / f"{FLOAT_TWIN}.tflite")
    return contenders


def delegated(path: Path, *, num_threads: int = 1, **options: Any) -> Run:
    runtime = importlib.import_module(RUNTIME)
    delegate = runtime.load_delegate(str(host_library()), options)
    return _tflite(runtime.Interpreter(str(path), experimental_delegates=[delegate], num_threads=num_threads))


def stock(path: Path, *, num_threads: int = 1) -> Run:
    runtime = importlib.import_module(RUNTIME)
    return _tflite(runtime.Interpreter(str(path), num_threads=num_threads))


def _tflite(interpreter: Any) -> Run:
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(image: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(into, image)
        interpreter.invoke()
        return interpreter.get_tensor(out)

    return run


def larq(path: Path, setting: str) -> Run:
    module = importlib.import_module("larq_compute_engine.tflite.python.interpreter_wrapper_lite")
    interpreter = module.LiteInterpreter(path.read_bytes(), 1, *LCE_SETTINGS[setting])
    return lambda image: interpreter.predict([image])[0]


def make_models(models: Path, names: list[str]) -> None:
    """Converts the models, with random weights: the operators' time does not depend on them."""
    missing = [name for name in names if not (models / f"{name}.tflite").exists()]
    if "QuickNet" in names and not (models / f"{FLOAT_TWIN}.tflite").exists():
        missing = ["QuickNet", *[name for name in missing if name != "QuickNet"]]
    if not missing:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_packages.set_up()
    import larq_compute_engine
    import larq_zoo

    models.mkdir(parents=True, exist_ok=True)
    for name in missing:
        factory = getattr(larq_zoo.sota, name, None) or getattr(larq_zoo.literature, name)
        model = factory(weights=None, input_shape=INPUT_SHAPE[1:])
        (models / f"{name}.tflite").write_bytes(larq_compute_engine.convert_keras_model(model))
        if name == "QuickNet":
            (models / f"{FLOAT_TWIN}.tflite").write_bytes(_float_twin(model))


def _float_twin(model: Any) -> bytes:
    """The same model with ordinary convolutions, as plain TFLite."""
    import larq
    import tensorflow as tf
    import tf_keras

    shared = (
        "name",
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "use_bias",
        "activation",
        "groups",
        "dilation_rate",
    )

    def unquantized(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, larq.layers.QuantConv2D):
            return tf_keras.layers.Conv2D(**{key: config[key] for key in shared})
        return type(layer).from_config(config)

    twin = tf_keras.models.clone_model(model, clone_function=unquantized)
    function = tf.function(lambda x: twin(x, training=False)).get_concrete_function(tf.TensorSpec(INPUT_SHAPE))
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([function]).convert())
