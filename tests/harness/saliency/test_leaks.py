"""`explain` called again and again holds no more than at first: what a call compiled goes when it is done."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from harness.keras_packages import keras_of
from harness.saliency import GradientEngine, explain
from harness.saliency.remembered import MOST_ENGINES, engine_of

METHODS: list[tuple[str, dict[str, Any]]] = [
    ("gradient", {}),
    ("gradcam", {}),
    ("guided_backprop", {}),
    ("smoothgrad", {"samples": 3}),
    ("integrated_gradients", {"steps": 3}),
]
IMAGE = np.random.default_rng(0).random((1, 16, 16, 3), np.float32)


def make_model(*, package: str = "tf_keras", binarized: bool = True) -> Any:
    """Convolutions with batch norms, whose gradients we write ourselves, and in Keras 2 a binarized one in between."""
    from harness.keras_packages import import_larq, keras_package

    layers = keras_package(package).layers
    image = layers.Input((16, 16, 3))
    x = layers.Conv2D(32, 3, padding="same", use_bias=False)(image)
    x = layers.Activation("relu")(layers.BatchNormalization()(x))
    if package == "tf_keras" and binarized:
        kernels = {"kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
        x = import_larq().layers.QuantConv2D(32, 3, padding="same", input_quantizer="ste_sign", **kernels)(x)
    x = layers.ReLU()(layers.Conv2D(32, 3, padding="same")(x))
    scores = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras_package(package).Model(image, scores)


def living() -> tuple[int, int]:
    """How many graphs TensorFlow holds, and how many custom gradients it has registered for ever."""
    from tensorflow.python.framework import func_graph, ops

    gc.collect()
    graphs = sum(issubclass(type(thing), func_graph.FuncGraph) for thing in gc.get_objects())  # no proxy
    return graphs, len(ops.gradient_registry.list())


def call(model: Any, times: int) -> None:
    for number in range(times):
        method, parameters = METHODS[number % len(METHODS)]
        explain(model, IMAGE, method, **parameters)


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_calls_with_one_model_trace_it_once(package: str) -> None:
    model = make_model(package=package)
    call(model, len(METHODS))
    before = living()
    call(model, 12 * len(METHODS))
    assert living() == before
    assert engine_of(model) is engine_of(model)


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_calls_that_trace_each_time_leave_no_graph_and_no_gradient_behind(package: str) -> None:
    """So does a model with a function of the caller's own, which may change unseen."""
    from harness.keras_packages import keras_package

    model = make_model(package=package)
    model.layers[3].activation = lambda values: keras_package(package).activations.relu(values)
    assert engine_of(model) is not engine_of(model)
    call(model, len(METHODS))
    before = living()
    call(model, 2 * len(METHODS))
    assert living() == before


@pytest.mark.parametrize("package", ["tf_keras", "keras"])
def test_models_that_are_dropped_leave_no_graph_and_no_gradient_behind(package: str) -> None:
    """Layers of Larq leave a graph each when they are built, which is none of the engine's: there are none here."""

    def ask() -> None:
        call(make_model(package=package, binarized=False), 2)

    ask()
    ask()
    graphs, gradients = living()
    for _ in range(3):
        ask()
    assert living()[0] <= graphs
    assert living()[1] <= gradients


def test_functions_of_python_in_a_dropped_engine_are_dropped_with_it() -> None:
    """Those of our own convolutions, which TensorFlow would hold for ever."""
    import tensorflow as tf

    call(make_model(), 1)
    held = getattr(tf.compat.v1.get_default_graph(), "_py_funcs_used_in_graph", [])
    with tf.init_scope():
        outermost = tf.compat.v1.get_default_graph()
    before = len(getattr(outermost, "_py_funcs_used_in_graph", held))
    call(make_model(), 1)
    assert len(getattr(outermost, "_py_funcs_used_in_graph", held)) == before


def test_engines_are_remembered_of_few_models_only() -> None:
    models = [make_model(package="keras") for _ in range(MOST_ENGINES + 2)]
    engines = [engine_of(model) for model in models]
    assert [engine_of(model) is engine for model, engine in zip(models[2:], engines[2:], strict=True)] == [True] * 4
    assert engine_of(models[0]) is not engines[0]


def test_an_engine_that_is_used_again_traces_nothing_again() -> None:
    engine = GradientEngine(make_model())
    call(engine, len(METHODS))
    before = living()
    call(engine, 10 * len(METHODS))
    assert living() == before


CHANGES = {
    "weights": lambda model: model.set_weights([2 * weights for weights in model.get_weights()]),
    "one weight": lambda model: model.layers[1].kernel.assign_add(model.layers[1].kernel * 0.01),
    "moving mean": lambda model: model.layers[2].moving_mean.assign(model.layers[2].moving_mean + 1),
    "activation": lambda model: setattr(model.layers[3], "activation", keras_of(model).activations.tanh),
    "own activation": lambda model: setattr(model.layers[3], "activation", lambda values: values * 3),
    "call": lambda model: setattr(model.layers[3], "call", lambda values: values * values),
    "padding of values": lambda model: setattr(model.layers[2], "epsilon", 10.0),
}


@pytest.mark.parametrize(
    ("change", "package"),
    [*((change, "tf_keras") for change in CHANGES), ("one weight", "keras"), ("activation", "keras")],
)
def test_a_model_that_has_changed_is_explained_as_it_is_now(change: str, package: str) -> None:
    model = make_model(package=package)
    first = explain(model, IMAGE)
    np.testing.assert_array_equal(explain(model, IMAGE), first)
    CHANGES[change](model)
    changed = explain(model, IMAGE)
    assert not np.array_equal(changed, first)
    np.testing.assert_array_equal(changed, explain(GradientEngine(model), IMAGE))


def test_a_quantizer_that_was_changed_in_place_counts() -> None:
    model = make_model()
    first = explain(model, IMAGE)
    (quantized,) = (layer for layer in model.layers if hasattr(layer, "input_quantizer"))
    quantized.input_quantizer.clip_value = 0.01
    assert not np.array_equal(explain(model, IMAGE), first)
    np.testing.assert_array_equal(explain(model, IMAGE), explain(GradientEngine(model), IMAGE))


def test_gradients_of_a_model_still_work_after_it_was_explained() -> None:
    """What is forgotten is what the engine traced; a function of the caller's own keeps its gradients."""
    import tensorflow as tf

    model = make_model()

    @tf.function  # type: ignore[untyped-decorator]
    def scores(images: Any) -> Any:
        return model(images, training=False)

    scores(tf.constant(IMAGE))
    call(model, len(METHODS))
    images = tf.constant(IMAGE)
    with tf.GradientTape() as tape:
        tape.watch(images)
        values = scores(images)
    assert tape.gradient(values, images) is not None


MANY = """
import gc, os, sys
sys.path.insert(0, sys.argv[1])
from harness import keras_packages
keras_packages.set_up()
from tests.harness.saliency.test_leaks import METHODS, call, make_model

def resident_mib():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

model = make_model()
call(model, 40)
start = resident_mib()
for hundred in range(20):
    call(model, 100)
    print("RSS", 100 * (hundred + 1), start, resident_mib(), flush=True)
"""


@pytest.mark.slow
def test_two_thousand_calls_grow_by_less_than_fifty_mib(pytestconfig: pytest.Config) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(pytestconfig.rootpath)], capture_output=True, text=True, check=True
    )
    calls, start, end = re.findall(r"RSS (\d+) ([\d.]+) ([\d.]+)", done.stdout)[-1]
    assert calls == "2000"
    assert float(end) - float(start) < 50, done.stdout
