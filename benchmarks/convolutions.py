"""The host's own convolutions against TensorFlow's: Winograd's 3x3 ones in floats, those of signs that count bits, and
backward passes to images by blocks of pixels.

    python benchmarks/convolutions.py [--rounds 9] [--json]

One thread each, batches of four images, as many channels in as out, contenders in turn, medians. Ratios above 1 mean
that ours is faster. Rounding is the greatest difference from float64, as a fraction of the greatest value.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

IMAGES = 4
IMAGE_SIZE, IMAGE_CHANNELS = 224, 3
WINDOWS = ((7, 2, 64), (11, 4, 64), (3, 2, 32), (3, 1, 64))  # size, stride and filters of convolutions of images
SHAPES = ((56, 64), (28, 128), (14, 256), (7, 512), (112, 128), (56, 256), (28, 512), (14, 512))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="repeats of each contender")
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    arguments = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    shapes = {f"{size}x{size}x{channels}": measure(size, channels, arguments.rounds) for size, channels in SHAPES}
    windows = {
        f"{size}x{size}/{stride}": measure_images(size, stride, filters, arguments.rounds)
        for size, stride, filters in WINDOWS
    }
    result = {"ratios": ratios(shapes, windows), "figures": {"images": IMAGES, "shapes": shapes, "windows": windows}}
    print(json.dumps(result) if arguments.json else table(shapes, windows))


def measure(size: int, channels: int, rounds: int) -> dict[str, Any]:
    """Median milliseconds of each contender, and what floats lose to rounding."""
    import tensorflow as tf

    from harness.native import winograd
    from harness.native.sign_convolution import SignConvolution

    rng = np.random.default_rng(0)
    values = rng.normal(size=(IMAGES, size, size, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, channels)).astype(np.float32)
    images, weights, transformed = tf.constant(values), tf.constant(kernel), winograd.Kernel(kernel)
    signs = SignConvolution(values.shape, np.where(kernel < 0, -1, 1).astype(np.float32), padding="same")
    theirs = tf.function(lambda x: tf.nn.conv2d(x, weights, 1, "SAME"), autograph=False)
    contenders: dict[str, Callable[[], Any]] = {
        "tensorflow": lambda: theirs(images).numpy(),
        "winograd": lambda: winograd.convolve(values, transformed, before=(1, 1), size=(size, size)),
        "signs": lambda: signs(values),
    }
    exact = tf.nn.conv2d(values.astype(np.float64), kernel.astype(np.float64), 1, "SAME").numpy()
    lost = {
        name: float(np.abs(contenders[name]() - exact).max() / np.abs(exact).max()) for name in list(contenders)[:2]
    }
    return {"milliseconds": in_turn(contenders, rounds), "rounding": lost}


def measure_images(size: int, stride: int, filters: int, rounds: int) -> dict[str, Any]:
    """Median milliseconds of the backward pass from a convolution to images."""
    import tensorflow as tf
    import tf_keras

    from harness.saliency.engine.rewrites.blocks import by_blocks

    layer = tf_keras.layers.Conv2D(filters, size, stride, padding="same")
    images = tf.zeros((IMAGES, IMAGE_SIZE, IMAGE_SIZE, IMAGE_CHANNELS))
    upstream = tf.random.normal(layer(images).shape)

    def backward(convolution: Callable[..., Any]) -> Callable[[], Any]:
        @tf.function(autograph=False)
        def gradient(upstream: Any) -> Any:  # of what goes forwards, nothing is left in the graph
            return tf.gradients(convolution(images, layer.kernel), images, upstream)

        return lambda: gradient(upstream)[0].numpy()

    contenders = {"tensorflow": backward(layer.convolution_op), "blocks": backward(by_blocks(layer))}
    return {"milliseconds": in_turn(contenders, rounds)}


def in_turn(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The median milliseconds of each; a first round warms up."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(rounds + 1):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            begin = time.perf_counter()
            contenders[name]()
            taken[name].append(time.perf_counter() - begin)
    return {name: 1000 * statistics.median(seconds[1:]) for name, seconds in taken.items()}


def ratios(shapes: dict[str, Any], windows: dict[str, Any]) -> dict[str, float]:
    """How many times as fast as TensorFlow, over the shapes."""
    result = {}
    for name, figures in (("winograd", shapes), ("signs", shapes), ("blocks", windows)):
        faster = [row["milliseconds"]["tensorflow"] / row["milliseconds"][name] for row in figures.values()]
        result |= {f"{name}_median": round(statistics.median(faster), 2), f"{name}_least": round(min(faster), 2)}
    return result


def table(shapes: dict[str, Any], windows: dict[str, Any]) -> str:
    lines = [
        "| map | TensorFlow, ms | Winograd, times faster | signs, times faster | rounding: TensorFlow, Winograd |",
        "|---|---|---|---|---|",
    ]
    for shape, row in shapes.items():
        took, lost = row["milliseconds"], row["rounding"]
        lines.append(
            f"| {shape} | {took['tensorflow']:.1f} | {took['tensorflow'] / took['winograd']:.1f} | "
            f"{took['tensorflow'] / took['signs']:.1f} | {lost['tensorflow']:.1e}, {lost['winograd']:.1e} |"
        )
    lines += ["", "| window of images / stride | TensorFlow, ms | by blocks, times faster |", "|---|---|---|"]
    for window, row in windows.items():
        took = row["milliseconds"]
        lines.append(f"| {window} | {took['tensorflow']:.1f} | {took['tensorflow'] / took['blocks']:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
