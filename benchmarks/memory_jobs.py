"""The jobs of benchmarks/memory.py, each the work of a process of its own; it sends what it has to say by a pipe."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

MIB = 1 << 20
WARM_UP = 40  # calls: by then everything is compiled that will be
SIZE = 224  # of images, of the accuracy unit and of SmoothGrad
SAMPLES = 10  # of SmoothGrad: two rounds of full batches or ten, what is held is the same
METHODS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("gradient", {}),
    ("gradcam", {}),
    ("guided_backprop", {}),
    ("smoothgrad", {"samples": 3}),
    ("integrated_gradients", {"steps": 3}),
)
EXPERIMENT = """
formats = ["fp32"]
[[model]]
name = "mobilenet-v2"
weights = "random"
[dataset]
kind = "planted"
"""


def growth(pipe: Any, name: str, calls: int) -> None:
    """Sends the MiB that this process gains in so many calls."""
    from harness import keras_packages

    keras_packages.set_up()
    call = _CALLS[name]()
    for number in range(WARM_UP):
        call(number)
    before = _resident_mib()
    for number in range(WARM_UP, calls):
        call(number)
    pipe.send(_resident_mib() - before)


def _calls_about(make: Callable[[], Any], *, new: bool = False) -> Callable[[int], Any]:
    from harness.saliency import explain

    kept = make()

    def call(number: int) -> None:
        model = make() if new else kept
        method, parameters = METHODS[number % len(METHODS)]
        images = np.random.default_rng(number).random((1 + number % 4, *model.input_shape[1:]), np.float32)
        explain(model, images, method, **parameters)

    return call


def _calls_without_us() -> Callable[[int], Any]:
    def call(number: int) -> None:
        model = _small_model(binarized=False)
        model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False)

    return call


def _mobilenet() -> Any:
    import tf_keras

    return tf_keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))


def _small_model(*, binarized: bool) -> Any:
    import tf_keras

    from harness.keras_packages import import_larq

    layers = tf_keras.layers
    image = layers.Input((16, 16, 3))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(32, 3, padding="same", use_bias=False)(image)))
    if binarized:
        signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
        x = import_larq().layers.QuantConv2D(32, 3, padding="same", **signs)(x)
    x = layers.ReLU()(layers.Conv2D(32, 3, padding="same")(x))
    return tf_keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


_CALLS: dict[str, Callable[[], Callable[[int], Any]]] = {
    "small": lambda: _calls_about(lambda: _small_model(binarized=True)),
    "mobilenet-v2": lambda: _calls_about(_mobilenet),
    "new": lambda: _calls_about(lambda: _small_model(binarized=False), new=True),
    "built": _calls_without_us,
}


def _resident_mib() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / MIB)


def prepare_accuracy(pipe: Any, folder: str, images: int) -> None:
    """Sends the accuracy units and the results that they build on, made in a process whose memory nobody looks at."""
    from harness.devices.known import THIS_HOST
    from harness.stages import accuracy, conversion
    from harness.store.units import StoredUnit, Unit

    context = _context(folder)
    (model,) = context.experiment.models
    pixels = np.random.default_rng(0).integers(0, 256, (images, SIZE, SIZE, 3), np.uint8)
    keys = list(map(str, range(images)))
    drawn = {"blob": context.store.save_array(pixels), "masks_blob": None, "images": keys, "labels": [0] * images}
    shown, made = Unit(kind="images", spec={}), conversion.plan(model, "fp32", calibration=None)
    converted = conversion.perform(made, context, lambda fraction: None).result
    stored = [
        StoredUnit(key=unit.key, kind=unit.kind, spec=unit.spec, status="done", reason="", result=result, seconds=0.0)
        for unit, result in ((shown, drawn), (made, converted))
    ]
    deployed = accuracy.plan(made, shown, {**THIS_HOST, "runtime": "auto"})
    pipe.send(({"keras": accuracy.plan_reference(model, shown), "fp32": deployed}, stored))


def do_accuracy(pipe: Any, folder: str, unit: Any, inputs: Any) -> None:
    from harness.stages import accuracy

    context = _context(folder)
    context.store.set_inputs(inputs)
    pipe.send(len(accuracy.perform(unit, context, lambda fraction: None).predictions))


def _context(folder: str) -> Any:
    """What a worker has at hand, in this folder."""
    from harness import keras_packages
    from harness.experiment.reader import read_experiment
    from harness.stages.context import RunContext
    from harness.store.unit_inputs import UnitInputs

    keras_packages.set_up()
    path = Path(folder) / "accuracy.toml"
    path.write_text(EXPERIMENT)
    return RunContext(read_experiment(path), UnitInputs(Path(folder)))


def smoothgrad(pipe: Any) -> None:
    from harness import keras_packages
    from harness.saliency.threads import use_one_thread_per_batch

    keras_packages.set_up()
    use_one_thread_per_batch()
    import tf_keras

    from harness.saliency import explain

    images = np.random.default_rng(0).uniform(-1, 1, (8, SIZE, SIZE, 3)).astype(np.float32)
    pipe.send(explain(tf_keras.applications.VGG16(weights=None), images, "smoothgrad", samples=SAMPLES).shape)
