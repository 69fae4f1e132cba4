"""Deletion and insertion curves per second against xplique, on the same model, images, maps, baseline and steps.

    python benchmarks/quality.py [--quick] [--json]

MobileNetV2 at 224 x 224 with random weights: the figures are about cost alone. Each contender lives in a process of its
own, with the threads and the batch size that it is best with, and they take turns. Before the clock starts,
both must give the same areas. A ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness import keras_packages

SIZE, CLASSES = 224, 1000
GREY = 128  # what removed pixels turn to
CONTENDERS = ("ours", "xplique")
BATCH = 16  # of xplique, whose default is 64: 74.7 against 73.2 images per second where we measured
SHARPER = 5  # times the classifier's random weights: else all classes are nearly alike
TOLERANCE = 1e-5  # of the areas, as probabilities: float32 forward passes in two orders of summation
RECORD: dict[str, Any] = {
    "height": SIZE,
    "width": SIZE,
    "channel_order": "rgb",
    "mean": [127.5] * 3,
    "scale": [1 / 127.5] * 3,
}
Areas = Callable[[int], tuple[float, float]]  # number of images -> mean deletion and insertion area


def main() -> None:
    arguments = _arguments()
    with _workers(arguments.steps) as workers:
        _check_areas(workers)
        seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for turn in range(arguments.rounds):
            for name in CONTENDERS[:: 1 if turn % 2 == 0 else -1]:
                seconds[name].append(_ask(workers[name], arguments.images)["seconds"])
        peaks = {name: _ask(workers[name], 1)["peak_rss_mib"] for name in CONTENDERS}
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    passes = 2 * arguments.images * (arguments.steps + 1)
    result = {
        "ratios": {"deletion_insertion_vs_xplique": round(medians["xplique"] / medians["ours"], 3)},
        "figures": {
            "images": arguments.images,
            "steps": arguments.steps,
            "rounds": arguments.rounds,
            "cores": os.cpu_count(),
            "seconds": {name: [round(value, 3) for value in taken] for name, taken in seconds.items()},
            "points_per_second": {name: round(passes / value, 1) for name, value in medians.items()},
            "peak_rss_mib": peaks,
        },
    }
    print(json.dumps(result, indent=1) if arguments.json else table(result))


def table(result: dict[str, Any]) -> str:
    figures = result["figures"]
    lines = [
        f"{figures['images']} images of {SIZE}x{SIZE}, {figures['steps']} steps, deletion and insertion, MobileNetV2",
        "contender  seconds (median)  points of curves per second  peak MiB",
    ]
    for name in CONTENDERS:
        seconds, rate = statistics.median(figures["seconds"][name]), figures["points_per_second"][name]
        lines.append(f"{name:<9}  {seconds:>16.2f}  {rate:>27.1f}  {figures['peak_rss_mib'][name]:>8.0f}")
    return "\n".join([*lines, *(f"{name}  {value:.2f}" for name, value in result["ratios"].items())])


def work(pipe: Any, name: str, steps: int) -> None:
    """A contender's process: a number of images -> areas, seconds and peak memory."""
    os.dup2(2, 1)  # what TensorFlow prints is not a part of the result
    areas = CONTENDER[name](steps)
    areas(1)  # compiles what is compiled
    pipe.send("ready")
    for count in iter(pipe.recv, None):
        begin = time.perf_counter()
        result = areas(count)
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        pipe.send({"areas": result, "seconds": seconds, "peak_rss_mib": round(peak)})


def ours(steps: int) -> Areas:
    from harness.models.xnnpack import XnnpackModel
    from harness.quality.evaluation import evaluate_together
    from harness.quality.inputs import MetricInputs
    from harness.quality.judges import FloatJudge

    predict = XnnpackModel(_model(), RECORD)
    wanted = {name: {"steps": steps, "baseline": "dataset_mean"} for name in ("deletion_auc", "insertion_auc")}

    def areas(count: int) -> tuple[float, float]:
        images, maps, targets = _inputs(count)
        inputs = MetricInputs(
            images=images,
            targets=targets,
            keys=tuple(map(str, range(count))),
            dataset_mean=np.full(3, GREY, np.uint8),
            judge=FloatJudge(predict),  # a new one each time: it remembers the ends of curves
        )
        scores = evaluate_together(wanted, maps, inputs)
        return scores["deletion_auc"].values.mean(), scores["insertion_auc"].values.mean()

    return areas


def xplique(steps: int) -> Areas:
    keras_packages.set_up()  # xplique asks tf.keras what a layer is
    from xplique.metrics import Deletion, Insertion

    from device.preprocessing import preprocess

    model = _model()
    grey = float((GREY - RECORD["mean"][0]) * np.float32(RECORD["scale"][0]))

    def areas(count: int) -> tuple[float, float]:
        images, maps, targets = _inputs(count)
        given = (model, preprocess(images, RECORD), np.eye(CLASSES, dtype=np.float32)[targets])
        how = {"batch_size": BATCH, "steps": steps, "baseline_mode": grey}
        return Deletion(*given, **how).evaluate(maps), Insertion(*given, **how).evaluate(maps)

    return areas


CONTENDER: dict[str, Callable[[int], Areas]] = {"ours": ours, "xplique": xplique}


def _model() -> Any:
    import tf_keras

    tf_keras.utils.set_random_seed(0)
    from device.preprocessing import preprocess

    model = tf_keras.applications.MobileNetV2(weights=None)
    for layer in model.layers:  # batch norms that fit: else activations fade from layer to layer to nothing
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(preprocess(_inputs(4)[0], RECORD), training=True)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([SHARPER * kernel, bias])
    return model


def _inputs(count: int) -> tuple[Any, Any, Any]:
    """Images, maps without ties and classes, by seed."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3)).astype(np.uint8)
    maps = rng.permuted(np.tile(np.arange(SIZE * SIZE, dtype=np.float32), (count, 1)), axis=1)
    return images, maps.reshape(count, SIZE, SIZE), np.arange(count) % CLASSES


def _check_areas(workers: dict[str, Any]) -> None:
    areas_of = {name: _ask(workers[name], 2)["areas"] for name in CONTENDERS}
    if not np.allclose(areas_of["ours"], areas_of["xplique"], atol=TOLERANCE, rtol=0):
        sys.exit(f"the contenders do not compute the same thing: {areas_of}")


@contextlib.contextmanager
def _workers(steps: int) -> Iterator[dict[str, Any]]:
    """Pipes to one warmed-up process per contender, started one after the other."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Any] = {}
    try:
        for name in CONTENDERS:
            pipes[name], theirs = context.Pipe()
            context.Process(target=work, args=(theirs, name, steps), daemon=True).start()
            theirs.close()
            assert pipes[name].recv() == "ready"
        yield pipes
    finally:
        for pipe in pipes.values():
            with contextlib.suppress(BrokenPipeError):
                pipe.send(None)


def _ask(pipe: Any, count: int) -> dict[str, Any]:
    pipe.send(count)
    answer: dict[str, Any] = pipe.recv()
    return answer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 images, 8 steps, one round")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="ratios and figures alone on stdout")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.images, arguments.steps, arguments.rounds = 8, 8, 1
    return arguments


if __name__ == "__main__":
    main()
