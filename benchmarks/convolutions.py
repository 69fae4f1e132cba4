"""The host's own 3x3 convolutions against TensorFlow's: Winograd's in floats, and those of signs that count bits.

    python -m benchmarks.convolutions [--rounds 9] [--json]

One thread each, batches of four images, as many channels in as out, contenders in turn, medians. Ratios above 1 mean
that ours is faster. Rounding is the greatest difference from float64, as a share of the greatest value.
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
SHAPES = ((56, 64), (28, 128), (14, 256), (7, 512), (112, 128), (56, 256), (28, 512), (14, 512))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="repeats of each contender")
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    arguments = parser.parse_args()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    figures = {f"{size}x{size}x{channels}": measure(size, channels, arguments.rounds) for size, channels in SHAPES}
    result = {"ratios": ratios(figures), "figures": {"images": IMAGES, "shapes": figures}}
    print(json.dumps(result) if arguments.json else table(figures))


def measure(size: int, channels: int, rounds: int) -> dict[str, Any]:
    """Median milliseconds of each contender, and what floats lose to rounding."""
    import tensorflow as tf

    from harness import winograd
    from harness.lce_convolution import SignConvolution

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
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name in (*list(contenders)[turn % 3 :], *list(contenders)[: turn % 3]):
            begin = time.perf_counter()
            contenders[name]()
            taken[name].append(time.perf_counter() - begin)
    milliseconds = {name: 1000 * statistics.median(seconds[1:]) for name, seconds in taken.items()}
    return {"milliseconds": milliseconds, "rounding": lost}


def ratios(figures: dict[str, Any]) -> dict[str, float]:
    """How many times as fast as TensorFlow, over the shapes."""
    result = {}
    for name in ("winograd", "signs"):
        faster = [found["milliseconds"]["tensorflow"] / found["milliseconds"][name] for found in figures.values()]
        result |= {f"{name}_median": round(statistics.median(faster), 2), f"{name}_least": round(min(faster), 2)}
    return result


def table(figures: dict[str, Any]) -> str:
    lines = [
        "| map | TensorFlow, ms | Winograd, times faster | signs, times faster | rounding: TensorFlow, Winograd |",
        "|---|---|---|---|---|",
    ]
    for shape, found in figures.items():
        took, lost = found["milliseconds"], found["rounding"]
        lines.append(
            f"| {shape} | {took['tensorflow']:.1f} | {took['tensorflow'] / took['winograd']:.1f} | "
            f"{took['tensorflow'] / took['signs']:.1f} | {lost['tensorflow']:.1e}, {lost['winograd']:.1e} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
