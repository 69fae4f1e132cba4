"""Run methods on images: one pass shared by all methods that need one, and the engine's many passes for the others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import ConfigError, shown
from harness.parameters import whole_number
from harness.saliency.attribution import Array, Attribution, Images
from harness.saliency.engine.compiled import PREDICTED
from harness.saliency.engine.engine import GradientEngine
from harness.saliency.engine.setup import MOST_GIVEN
from harness.saliency.methods.method_table import METHODS, method_spec, parameters_of
from harness.saliency.methods.scorer import FunctionScorer
from harness.saliency.precision import FLOAT32
from harness.saliency.prepared import in_many_passes, in_one_pass, make_forward_job, make_job, sharing
from harness.saliency.remembered import engine_of

MOST_CLASSES = 2**31  # TensorFlow counts them in 32 bits; a model says itself how many it has


def compute(
    engine: GradientEngine | FunctionScorer,
    method: str,
    images: ArrayLike,
    targets: ArrayLike | None = None,
    image_keys: Sequence[str] | None = None,
    *,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> Attribution:
    """Attributions of images by one method.

    engine      of the model; a FunctionScorer does for methods of forward passes.
    images      (N, H, W, C), already preprocessed; any float type, computed in float32.
    targets     (N,) class indices; None explains the predicted class of each image.
    image_keys  (N,) what the images are called: randomness is keyed by it. By default "0", "1", ...
    parameters  those that differ from the method's defaults, see METHODS[method].parameters.
    """
    return compute_many(engine, [(method, parameters or {})], images, targets, image_keys, seed=seed)[0]


def compute_many(
    engine: GradientEngine | FunctionScorer,
    methods: Sequence[tuple[str, Mapping[str, Any]]],
    images: ArrayLike,
    targets: ArrayLike | None = None,
    image_keys: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> list[Attribution]:
    """Attributions by several (method, parameters), in their order; those that need one pass share it."""
    if isinstance(engine, FunctionScorer):
        return [
            compute_forward(engine, name, images, targets, image_keys, seed=seed, parameters=parameters)
            for name, parameters in methods
        ]
    batch = _images(images, targets, image_keys, seed)
    engine.look_at(batch.pixels, batch.targets)
    jobs = [make_job(engine, name, parameters) for name, parameters in methods]
    done: dict[int, Attribution] = {}
    for shared in sharing(jobs):
        done.update(zip(shared, in_one_pass([jobs[i] for i in shared], batch), strict=True))
    pixels = batch.pixels
    own_pass = functools.cache(lambda: engine.logits(pixels).argmax(axis=1))
    predict = next(iter(done.values())).predict if done else own_pass
    if len(done) < len(jobs) and PREDICTED in batch.targets:
        batch = _with_targets(batch, predict())
    return [done[i] if i in done else in_many_passes(job, batch, predict) for i, job in enumerate(jobs)]


def compute_forward(
    scores: Callable[[Array], Array] | FunctionScorer,
    method: str,
    images: ArrayLike,
    targets: ArrayLike | None = None,
    image_keys: Sequence[str] | None = None,
    *,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    batch_size: int = 32,
) -> Attribution:
    """Attributions of anything that scores images, such as an artifact on a board: by methods of forward passes.

    scores  float32 images (n, H, W, C), at most `batch_size` at a time, to class scores (n, classes). Images are in the
            units of `images`, and so are baselines: "zero" covers with 0. A FunctionScorer brings its batch size.
    The rest is as in `compute`: with the same scores, the same maps.
    Raises ConfigError for a method that needs gradients, and for one that needs features or logits where the scorer
    has none.
    """
    spec, arguments = method_spec(method), parameters_of(method, parameters or {})
    batch_size = whole_number(batch_size, where="batch_size", least=1, most=MOST_GIVEN)
    scorer = scores if isinstance(scores, FunctionScorer) else FunctionScorer(scores, batch_size=batch_size)
    if not scorer.can_do(spec):
        able = ", ".join(name for name, other in METHODS.items() if scorer.can_do(other))
        why = f": {scorer.only_scores}" if scorer.only_scores else ""
        hint = f"{scorer.way_to_more}; or one of {able}" if scorer.way_to_more else able
        raise ConfigError(f'"{method}" needs more of a model than its scores{why}', hint=hint)
    batch = _images(images, targets, image_keys, seed)
    values = scorer.scores(batch.pixels)
    if batch.targets.max() >= values.shape[1]:
        raise ConfigError(
            f"targets: expected classes from 0 to {values.shape[1] - 1}, got {shown(batch.targets.tolist())}"
        )
    predicted = values.argmax(axis=1)
    return in_many_passes(
        make_forward_job(scorer, method, arguments), _with_targets(batch, predicted), lambda: predicted
    )


def _images(images: ArrayLike, targets: ArrayLike | None, keys: Sequence[str] | None, seed: int) -> Images:
    pixels = np.ascontiguousarray(_numbers(images, "images", "an array (N, H, W, C)"), np.float32)
    names = tuple(keys) if keys is not None else tuple(map(str, range(len(pixels))))
    if len(names) != len(pixels):
        raise ConfigError(f"image_keys: expected one key per image, got {len(names)} for {len(pixels)} images")
    if pixels.ndim != 4 or len(pixels) == 0:
        raise ConfigError(f"images: expected an array (N, H, W, C), got one of shape {pixels.shape}")
    seed = whole_number(seed, where="seed", least=0, most=2**63 - 1)
    wanted = np.full(len(pixels), PREDICTED) if targets is None else _classes(targets, len(pixels))
    return Images(pixels=pixels, targets=wanted, keys=names, seed=seed)


def _classes(targets: ArrayLike, count: int) -> NDArray[np.int64]:
    """One class for each image. Nothing is rounded, wrapped or taken for "the predicted one"."""
    expected = f"a class index for each of {count} images"
    given = _numbers(targets, "targets", expected)
    if given.dtype.kind not in "iu" or given.shape != (count,) or given.min() < 0 or given.max() >= MOST_CLASSES:
        raise ConfigError(f"targets: expected {expected}, from 0 on, got {shown(targets)}")
    return given.astype(np.int64)


def _numbers(values: ArrayLike, where: str, expected: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError, TypeError) as error:
        raise ConfigError(f"{where}: expected {expected}, got {shown(values)} ({error})") from error
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"{where}: expected {expected}, of numbers, got {shown(values)}")
    return array


def _with_targets(images: Images, predicted: NDArray[np.int64]) -> Images:
    return replace(images, targets=np.where(images.targets == PREDICTED, predicted, images.targets))


def explain(
    model: Any,
    images: ArrayLike,
    method: str = "gradient",
    *,
    targets: ArrayLike | None = None,
    image_keys: Sequence[str] | None = None,
    seed: int = 0,
    precision: str | None = None,
    **parameters: Any,
) -> Array:
    """Maps (N, H, W) float32 in the geometry of the images, not normalised: what `method` says about each image.

    model       a functional or sequential model of Keras 2, Larq or Keras 3, as it is now, or a GradientEngine. What is
                compiled for a model serves later calls with it, until its weights or layers change.
    images      (N, H, W, C), preprocessed as the model expects them.
    targets     (N,) class indices; None explains the predicted class.
    precision   "float32", or "bfloat16", see `GradientEngine`, which has its own.
    parameters  of the method, such as noise_level=0.1, samples=50.

    For raw attributions, notes and several methods in one pass: GradientEngine, compute and compute_many.
    """
    if not isinstance(model, GradientEngine):
        engine = engine_of(model, precision or FLOAT32)
    elif precision in (None, model.precision):
        engine = model
    else:
        raise ConfigError(f"precision: the engine was made for {model.precision}, got {shown(precision)}")
    attribution = compute(engine, method, images, targets, image_keys, seed=seed, parameters=parameters)
    return attribution.maps(np.shape(images)[1:3])
