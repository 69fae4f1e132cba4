"""The host's own convolutions against TensorFlow's: Winograd's 3x3 ones in floats, those of signs that count bits, and
backward passes to images by blocks of pixels.

    python benchmarks/convolutions.py [--quick] [--json] [--save]

One thread each, by the processor time of the process, which other work on the machine hardly lengthens; batches of four
images, as many channels in as out. Ratios above 1 mean that ours is faster. Rounding is the greatest difference from
float64, as a fraction of the greatest value. --quick has two shapes.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, Turns, least, middle, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, publish, shown

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

IMAGES = 4
IMAGE_SIZE, IMAGE_CHANNELS = 224, 3
WINDOWS = ((7, 2, 64), (11, 4, 64), (3, 2, 32), (3, 1, 64))  # size, stride and filters of convolutions of images
WHAT = {
    "winograd": "3x3 convolutions by Winograd's tiles, over TensorFlow",
    "signs": "3x3 convolutions of signs by counting bits, over TensorFlow in floats",
    "blocks": "backward passes to images by blocks, over TensorFlow",
}
SHAPES = ((56, 64), (28, 128), (14, 256), (7, 512), (112, 128), (56, 256), (28, 512), (14, 512))


def main() -> None:
    options = parser_of(__doc__, Limits(width=0.1, most_seconds=30)).parse_args()
    limits, watch = limits_of(options), Watch()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)

    def in_turn(label: str, contenders: dict[str, Callable[[], Any]]) -> Turns:
        faster = {name: Comparison(over("tensorflow", name)) for name in contenders if name != "tensorflow"}
        timed = {name: _timed(run) for name, run in contenders.items()}
        return take_turns(timed, faster, limits, between=watch.look, label=label)

    shapes, windows, lost = {}, {}, {}
    for size, channels in SHAPES[:2] if options.quick else SHAPES:
        name = f"{size}x{size}x{channels}"
        contenders, lost[name] = convolutions(size, channels)
        shapes[name] = in_turn(name, contenders)
    for window, stride, filters in WINDOWS:
        windows[f"{window}x{window}/{stride}"] = in_turn(f"{window}x{window}", of_images(window, stride, filters))
    rows = {"winograd": shapes, "signs": shapes, "blocks": windows}
    ratios = {}
    for name, turns in rows.items():
        of_each = {shape: measured.ratios[name] for shape, measured in turns.items()}
        ratios[f"{name}_median"] = middle(of_each, what=WHAT[name])
        ratios[f"{name}_least"] = least(of_each, what=WHAT[name])
    figures = {
        "images": IMAGES,
        "milliseconds": {
            shape: {name: round(turns.median(name), 3) for name in turns.samples}
            for shape, turns in {**shapes, **windows}.items()
        },
        "rounding": lost,
    }
    publish(options, watch, ratios=ratios, figures=figures, tables=tables(shapes, windows, lost))


def _timed(run: Callable[[], Any]) -> Callable[[], float]:
    """Milliseconds; the first run, which is not measured, traces and fills caches."""
    run()

    def milliseconds() -> float:
        began = time.process_time()
        run()
        return 1000 * (time.process_time() - began)

    return milliseconds


def convolutions(size: int, channels: int) -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """The contenders, and what floats lose to rounding."""
    import tensorflow as tf

    from harness.native import float_convolution
    from harness.native.sign_convolution import SignConvolution

    rng = np.random.default_rng(0)
    values = rng.normal(size=(IMAGES, size, size, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, channels)).astype(np.float32)
    images, weights, transformed = tf.constant(values), tf.constant(kernel), float_convolution.Kernel(kernel)
    signs = SignConvolution(values.shape, np.where(kernel < 0, -1, 1).astype(np.float32), padding="same")
    theirs = tf.function(lambda x: tf.nn.conv2d(x, weights, 1, "SAME"), autograph=False)
    contenders: dict[str, Callable[[], Any]] = {
        "tensorflow": lambda: theirs(images).numpy(),
        "winograd": lambda: float_convolution.convolve(images, transformed, before=(1, 1), size=(size, size)).numpy(),
        "signs": lambda: signs(values),
    }
    exact = tf.nn.conv2d(values.astype(np.float64), kernel.astype(np.float64), 1, "SAME").numpy()
    lost = {
        name: float(np.abs(contenders[name]() - exact).max() / np.abs(exact).max()) for name in list(contenders)[:2]
    }
    return contenders, lost


def of_images(size: int, stride: int, filters: int) -> dict[str, Callable[[], Any]]:
    """The backward pass from a convolution to images."""
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

    return {"tensorflow": backward(layer.convolution_op), "blocks": backward(by_blocks(layer))}


def tables(shapes: dict[str, Turns], windows: dict[str, Turns], lost: dict[str, dict[str, float]]) -> list[Table]:
    """Times faster than TensorFlow, shape by shape."""
    return [
        Table(
            "3x3 convolutions",
            [
                "map",
                "TensorFlow, ms",
                "Winograd, times faster",
                "signs, times faster",
                "rounding: TensorFlow, Winograd",
            ],
            [
                [
                    shape,
                    f"{turns.median('tensorflow'):.1f}",
                    *(shown(turns.ratios[name].value) for name in ("winograd", "signs")),
                    f"{lost[shape]['tensorflow']:.1e}, {lost[shape]['winograd']:.1e}",
                ]
                for shape, turns in shapes.items()
            ],
        ),
        Table(
            "Backwards to images",
            ["window of images / stride", "TensorFlow, ms", "by blocks, times faster"],
            [
                [window, f"{turns.median('tensorflow'):.1f}", shown(turns.ratios["blocks"].value)]
                for window, turns in windows.items()
            ],
        ),
    ]


if __name__ == "__main__":
    main()
