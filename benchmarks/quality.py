"""Deletion and insertion curves per second against xplique, on the same model, images, maps, baseline and steps.

    python benchmarks/quality.py [--quick] [--json] [--save] [--images 16] [--steps 32]

MobileNetV2 at 224 x 224 with random weights: the figures are about cost alone. Each contender lives in a process of its
own, with the threads and the batch size that it is best with. Before the clock starts, both must give the same areas.
A ratio above 1 means that ours is faster. --quick has 8 images and 8 steps.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish
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
    options, watch = _options(), Watch()
    with _workers(options.steps) as workers:
        _check_areas(workers)
        turns = take_turns(
            {name: _contender(workers[name], options.images) for name in CONTENDERS},
            {
                "deletion_insertion_vs_xplique": Comparison(
                    over("xplique", "ours"), "deletion and insertion, over xplique"
                )
            },
            limits_of(options),
            between=watch.look,
            label="quality",
        )
        peaks = {name: _ask(workers[name], 1)["peak_rss_mib"] for name in CONTENDERS}
    points = 2 * options.images * (options.steps + 1)
    figures = {
        "images": options.images,
        "steps": options.steps,
        "seconds": {name: round(turns.median(name), 3) for name in CONTENDERS},
        "points_per_second": {name: round(points / turns.median(name), 1) for name in CONTENDERS},
        "peak_rss_mib": peaks,
    }
    publish(options, watch, ratios=turns.ratios, figures=figures, tables=[table(figures)])


def _contender(worker: Any, images: int) -> Callable[[], float]:
    return lambda: float(_ask(worker, images)["seconds"])


def table(figures: dict[str, Any]) -> Table:
    title = f"{figures['images']} images of {SIZE}x{SIZE}, {figures['steps']} steps, both curves"
    columns = [figures[name] for name in ("seconds", "points_per_second", "peak_rss_mib")]
    rows = [[name, *(str(column[name]) for column in columns)] for name in CONTENDERS]
    return Table(title, ["contender", "seconds", "points of curves per second", "peak MiB"], rows)


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
            judge=FloatJudge(predict, batch=None),  # a new one each time: it remembers the ends of curves
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


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.05, most_rounds=40, most_seconds=600))
    parser.add_argument("--images", type=positive_int, help="default 16")
    parser.add_argument("--steps", type=positive_int, help="default 32")
    options = parser.parse_args()
    options.images = options.images or (8 if options.quick else 16)
    options.steps = options.steps or (8 if options.quick else 32)
    return options


if __name__ == "__main__":
    main()
