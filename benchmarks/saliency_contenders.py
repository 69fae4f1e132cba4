"""The contenders of benchmarks/saliency.py, each as functions that make maps of the same images by the same methods."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from harness import keras_packages

IMAGES, NOISE_LEVEL = 8, 0.1
Jobs = dict[str, Callable[[], Any]]


def work(pipe: Any, contender: str, name: str, samples: int) -> None:
    """Build the model, warm up, then answer each method's name with (seconds, CPU seconds), until None comes."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_packages.set_up()
    if contender == "ours":
        from harness.saliency.threads import use_one_thread_per_batch

        use_one_thread_per_batch()
    model = build(name)
    jobs = {"ours": ours, "tf-keras-vis": tf_keras_vis, "xplique": xplique, "plain": plain}[contender](
        model, images(name), np.arange(IMAGES) * 100, samples
    )
    for job in ("gradient", "gradcam", "warm smoothgrad"):
        jobs[job]()
    pipe.send("ready")
    while (request := pipe.recv()) is not None:
        if request == "about":
            pipe.send(about(model))
            continue
        begin, cpu = time.perf_counter(), time.process_time()
        jobs[request]()
        pipe.send((time.perf_counter() - begin, time.process_time() - cpu))


def build(name: str) -> Any:
    """A model with random weights at its usual 224 x 224."""
    import larq_zoo as lqz
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    home = next(home for home in (tf_keras.applications, lqz.sota, lqz.literature) if hasattr(home, name))
    return getattr(home, name)(weights=None)


def images(name: str) -> np.ndarray:
    values = np.random.default_rng(0).uniform(-1, 1, (IMAGES, 224, 224, 3)).astype(np.float32)
    return 127.5 * (values + 1) if name == "EfficientNetB0" else values


def ours(model: Any, x: np.ndarray, targets: np.ndarray, samples: int) -> Jobs:
    from harness.saliency import GradientEngine, compute, compute_many

    engine = GradientEngine(model)

    def smoothgrad(copies: int) -> Any:
        return compute(engine, "smoothgrad", x, targets, parameters={"samples": copies, "noise_level": NOISE_LEVEL})

    pair = [("gradient", {}), ("gradcam", {})]
    compute_many(engine, pair, x, targets)  # traced here, not when timed
    return {
        "gradient": lambda: compute(engine, "gradient", x, targets),
        "gradcam": lambda: compute(engine, "gradcam", x, targets),
        "gradient+gradcam": lambda: compute_many(engine, pair, x, targets),
        "warm smoothgrad": partial(smoothgrad, 4),
        "smoothgrad": partial(smoothgrad, samples),
        "smoothgrad50": partial(smoothgrad, 50),
    }


def tf_keras_vis(model: Any, x: np.ndarray, targets: np.ndarray, samples: int) -> Jobs:
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
    from tf_keras_vis.utils.scores import CategoricalScore

    saliency = Saliency(model, model_modifier=ReplaceToLinear(), clone=True)
    cam = Gradcam(model, model_modifier=ReplaceToLinear(), clone=True)
    score, layer = CategoricalScore(targets.tolist()), cam_layer(model)

    def smoothgrad(copies: int) -> Any:
        return saliency(score, x, smooth_samples=copies, smooth_noise=NOISE_LEVEL)

    return {
        "gradient": lambda: saliency(score, x),
        "gradcam": lambda: cam(score, x, penultimate_layer=layer, seek_penultimate_conv_layer=False),
        "warm smoothgrad": partial(smoothgrad, 1),
        "smoothgrad": partial(smoothgrad, samples),
        "smoothgrad50": partial(smoothgrad, 50),
    }


def xplique(model: Any, x: np.ndarray, targets: np.ndarray, samples: int) -> Jobs:
    import tensorflow as tf
    from xplique.attributions import GradCAM, Saliency, SmoothGrad

    logits, layer = logit_model(model), cam_layer(model)

    def job(explainer: Any, count: int, batch_size: int, **parameters: Any) -> Callable[[], Any]:
        made = explainer(logits, batch_size=batch_size, **parameters)
        return lambda: made.explain(x[:count], tf.one_hot(targets[:count], model.output_shape[-1]))

    smooth = partial(job, SmoothGrad, nb_samples=samples, noise=2 * NOISE_LEVEL)
    return {
        "gradient": job(Saliency, IMAGES, best_size(partial(job, Saliency, IMAGES), (1, 4, 8))),
        "gradcam": job(
            GradCAM, IMAGES, best_size(partial(job, GradCAM, IMAGES, conv_layer=layer), (1, 4, 8)), conv_layer=layer
        ),
        "warm smoothgrad": lambda: None,
        "smoothgrad": smooth(IMAGES, best_size(partial(smooth, 1), (min(samples, 8), samples))),
    }


def plain(model: Any, x: np.ndarray, targets: np.ndarray, samples: int) -> Jobs:
    """What one writes without a library: a tf.function around a tape, with the best batch size."""
    import tensorflow as tf
    import tf_keras

    logits = logit_model(model)
    with_features = tf_keras.Model(logits.input, [logits.get_layer(cam_layer(model)).output, logits.output])

    @tf.function
    def gradient(batch: Any, chosen: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            score = tf.gather(logits(batch, training=False), chosen, batch_dims=1)
        return tape.gradient(score, batch)

    @tf.function
    def gradcam(batch: Any, chosen: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(batch)
            features, values = with_features(batch, training=False)
            score = tf.gather(values, chosen, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2), keepdims=True)
        return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))

    def run(function: Any, size: int) -> Callable[[], Any]:
        return lambda: [
            function(tf.constant(x[i : i + size]), tf.constant(targets[i : i + size])).numpy()
            for i in range(0, IMAGES, size)
        ]

    def smooth(count: int, size: int) -> Callable[[], Any]:
        sigma = NOISE_LEVEL * np.ptp(x, axis=(1, 2, 3))[:, None, None, None]
        copies = np.repeat(np.arange(count), samples)

        def noisy() -> Any:
            total = np.zeros_like(x)
            for chosen in (copies[i : i + size] for i in range(0, len(copies), size)):
                batch = x[chosen] + sigma[chosen] * tf.random.normal((len(chosen), *x.shape[1:]))
                np.add.at(total, chosen, gradient(batch, tf.constant(targets[chosen])).numpy())
            return total / samples

        return noisy

    return {
        "gradient": run(gradient, best_size(partial(run, gradient), (1, 2, 4, 8))),
        "gradcam": run(gradcam, best_size(partial(run, gradcam), (1, 2, 4, 8))),
        "warm smoothgrad": lambda: None,
        "smoothgrad": smooth(IMAGES, best_size(partial(smooth, 1), (min(samples, 8), samples))),
    }


def best_size(make: Callable[[int], Callable[[], Any]], sizes: tuple[int, ...]) -> int:
    """The batch size whose second run is the quickest; the first one traces."""

    def seconds(size: int) -> float:
        job = make(size)
        job()
        begin = time.perf_counter()
        job()
        return time.perf_counter() - begin

    return min(sizes, key=seconds)


def logit_model(model: Any) -> Any:
    """The model without its softmax, as its user would cut it by hand."""
    import tf_keras

    last = model.layers[-1]
    if isinstance(last, tf_keras.layers.Dense):
        dense = tf_keras.layers.Dense(last.units, name="logits")
        outputs = dense(last.input)
        dense.set_weights(last.get_weights())
        return tf_keras.Model(model.input, outputs)
    return tf_keras.Model(model.input, last.input)


def cam_layer(model: Any) -> str:
    """The layer that all contenders take class activation maps from."""
    from harness.saliency import list_layers

    return next(info.name for info in list_layers(model) if info.default)


def about(model: Any) -> dict[str, float]:
    """Memory so far, the model's forward GFLOP per image and the machine's matrix-product GFLOP per second."""
    return {
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "forward_gflop": sum(map(_flop, model.layers)) / 1e9,
        "machine_gflops": _machine_gflops(),
    }


def _flop(layer: Any) -> float:
    """Two per multiplication of a convolution or dense layer: output values times kernel values of one channel."""
    kernel = getattr(layer, "depthwise_kernel", None)
    if kernel is not None:
        return 2.0 * np.prod(layer.output_shape[1:]) * np.prod(kernel.shape[:2])
    kernel = getattr(layer, "kernel", None)
    return 0.0 if kernel is None else 2.0 * np.prod(layer.output_shape[1:]) * np.prod(kernel.shape[:-1])


def _machine_gflops() -> float:
    """Best of five products of 2048 x 2048 float32 matrices on all cores, by the BLAS of NumPy."""
    a = np.ones((2048, 2048), np.float32)

    def seconds() -> float:
        begin = time.perf_counter()
        a @ a
        return time.perf_counter() - begin

    return 2 * 2048**3 / 1e9 / min(seconds() for _ in range(5))
