"""The batches that a twin is trained on: shuffled, changed at random, labelled; all keyed by the seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.preprocessing import preprocess
from harness.models.catalogue import minus_one_to_one
from harness.models.recipes import Recipe

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
GREY_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue in what the eye sees as brightness (ITU-R BT.601)
GREY = 127  # of a square that is cut out
MOST_STRETCHED = 4 / 3  # width to height of a random crop, or height to width


class Batches:
    """Batches (pixels, labels) that depend on (seed, epoch, batch) alone, so that training can go on at any epoch.

    Labels are probabilities (N, classes). `teacher` gives those of its model for pixels, where the recipe has one.
    """

    def __init__(
        self,
        images: Images,
        labels: NDArray[np.int64],
        recipe: Recipe,
        *,
        classes: int,
        seed: int,
        teacher: Callable[[Floats], Floats] | None = None,
    ) -> None:
        pad = ((0, 0), (recipe.shift, recipe.shift), (recipe.shift, recipe.shift), (0, 0))
        self._padded, self._labels = np.pad(images, pad, mode="reflect"), labels
        self._recipe, self._classes, self._seed, self._teacher = recipe, classes, seed, teacher
        self.start_epoch(0)

    def __len__(self) -> int:
        return len(self._labels) // self._recipe.batch_size

    def start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self._labels))

    def __getitem__(self, batch: int) -> tuple[Floats, Floats]:
        size = self._recipe.batch_size
        rng = np.random.default_rng([self._seed, self._epoch, batch])
        chosen = self._order[batch * size : (batch + 1) * size]
        pixels = preprocess(self._changed(self._padded[chosen], rng), minus_one_to_one(self._recipe.image_size))
        return pixels, self._probabilities(self._labels[chosen], pixels)

    def _changed(self, padded: Images, rng: np.random.Generator) -> Images:
        recipe, count = self._recipe, len(padded)
        shifts = rng.integers(0, 2 * recipe.shift + 1, (count, 2))
        flips = (rng.random(count) < 0.5) & (not recipe.shuffled_labels)
        side = recipe.image_size
        images: Images = np.stack(
            [
                image[y : y + side, x : x + side][:, :: -1 if flip else 1]
                for image, (y, x), flip in zip(padded, shifts, flips)
            ]
        )
        if recipe.least_area < 1:
            images = np.stack([random_crop(image, recipe.least_area, rng) for image in images])
        if recipe.jitter:
            images = jittered(images, recipe.jitter, rng)
        if recipe.cutout:
            cut_out(images, recipe.cutout, rng)
        return images

    def _probabilities(self, labels: NDArray[np.int64], pixels: Floats) -> Floats:
        recipe = self._recipe
        smooth = (1 - recipe.smoothing) * np.eye(self._classes)[labels] + recipe.smoothing / self._classes
        if self._teacher is not None:
            smooth = (1 - recipe.taught) * smooth + recipe.taught * self._teacher(pixels)
        return np.asarray(smooth, np.float32)


def random_crop(image: Images, least_area: float, rng: np.random.Generator) -> Images:
    """A part of an image (H, W, 3) of `least_area` to all of its area, stretched to the whole of it."""
    height, width = image.shape[:2]
    stretch = np.exp(rng.uniform(-1, 1) * np.log(MOST_STRETCHED) / 2)
    side = np.sqrt(rng.uniform(least_area, 1))
    across, down = min(1.0, side * stretch) * width, min(1.0, side / stretch) * height
    left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
    box = (left, top, left + across, top + down)
    crop = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(crop, np.uint8)


def jittered(images: Images, jitter: float, rng: np.random.Generator) -> Images:
    """Images (N, H, W, 3) of another brightness, contrast and saturation each."""
    brightness, contrast, saturation = rng.uniform(1 - jitter, 1 + jitter, (3, len(images), 1, 1, 1)).astype(np.float32)
    pixels: NDArray[Any] = images * brightness
    grey = (pixels @ np.array(GREY_WEIGHTS, np.float32))[..., None]
    pixels = grey + (pixels - grey) * saturation
    middle = grey.mean(axis=(1, 2), keepdims=True)
    pixels = middle + (pixels - middle) * contrast
    return np.asarray(np.clip(np.rint(pixels), 0, 255), np.uint8)


def cut_out(images: Images, side: int, rng: np.random.Generator) -> None:
    """Grey a square in each of the images (N, H, W, 3), in place; part of it may lie outside."""
    height, width = images.shape[1:3]
    for image, y, x in zip(images, rng.integers(0, height, len(images)), rng.integers(0, width, len(images))):
        image[max(0, y - side // 2) : y + side // 2, max(0, x - side // 2) : x + side // 2] = GREY
