"""Models of strangers whose answer is known without running them: the class is the brightest quarter of the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.preprocessing import preprocess
from harness.datasets.geometry import fit_image
from harness.models.catalogue import Model
from harness.models.completion import Completed, complete
from harness.models.declared import Declared

QUARTERS = 4
Images = NDArray[np.uint8]


def brightest_quarter(
    keras: Any, shape: tuple[int, int, int] = (32, 64, 3), *, before: Callable[[Any], Any] | None = None
) -> Any:
    """Softmax over the mean brightness of four columns, or of four rows where the input is taller than wide.

    before  what is done to the image first, such as a Rescaling.
    """
    height, width, channels = shape
    tall = height > width
    image = keras.Input(shape)
    x = image if before is None else before(image)
    x = keras.layers.AveragePooling2D((height // QUARTERS, width) if tall else (height, width // QUARTERS))(x)
    head = keras.layers.Dense(QUARTERS, activation="softmax")
    model = keras.Model(image, head(keras.layers.Flatten()(x)))
    head.set_weights([np.repeat(np.eye(QUARTERS), channels, axis=0) / channels * 4, np.zeros(QUARTERS)])
    return model


def pictures(shape: tuple[int, int, int]) -> Images:
    """One for each class, (4, H, W, C): dark grey, with the quarter of that class bright."""
    images = np.full((QUARTERS, *shape), 40, np.uint8)
    for quarter in range(QUARTERS):
        _quarter_of(images[quarter], quarter)[:] = 200
    return images


def _quarter_of(image: Images, quarter: int) -> Images:
    axis = 0 if image.shape[0] > image.shape[1] else 1
    return np.split(image, QUARTERS, axis=axis)[quarter]


def completed(
    path: Path, images: Images, *, trusted: bool = False, module: Path | None = None, **said: Any
) -> Completed:
    """A model file as a run completes it, with what a person says of it."""
    model = Model(
        name=path.stem,
        family="",
        preprocessing={},
        classes=0,
        weights=str(path),
        output="",
        trusted=trusted,
        module=None if module is None else str(module),
        declared=Declared(**said),
    )
    return complete(model, [(f"image {number}", image) for number, image in enumerate(images)])


def probabilities(done: Completed, images: Images) -> NDArray[np.float32]:
    """(N, classes) what the Keras model says of images of any size, by its record."""
    fitted = np.stack([fit_image(image, done.model.preprocessing) for image in images])
    return np.asarray(done.keras_model(preprocess(fitted, done.model.preprocessing), training=False))


def top1(done: Completed, images: Images) -> float:
    """Of one picture for each class."""
    return float((probabilities(done, images).argmax(1) == np.arange(len(images))).mean())
