"""The embedded data set: one planted object per image, with the exact mask of its pixels.

Every image holds a textured background, distractors that predict nothing, and one object of ten shapes with random
colour, texture, size, place and rotation. Only the shape decides the class, so the pixels that may explain a correct
prediction are known: they are the mask.

Image `index` of a split depends on (seed, split, index) alone, never on what was drawn before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.datasets.dataset import LabelRange, Sample

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

IMAGE_SIZE = 64
SUPERSAMPLING = 3  # shapes are drawn 3 x finer than pixels; the mean of a block is the pixel's coverage
SPLIT_SIZE = {"train": 20_000, "test": 5_000}
GENERATOR_VERSION = 1  # part of every key: raise it whenever one pixel of one image changes


def draw(seed: int, split: str, index: int) -> tuple[NDArray[np.uint8], Bools, int]:
    """One image of the planted data set.

    Returns  image (64, 64, 3) uint8, mask (64, 64) bool, true where the object covers at least half of the pixel,
             and the label, an index into CLASS_NAMES. Labels are balanced: index modulo 10.
    """
    rng = np.random.default_rng([seed, list(SPLIT_SIZE).index(split), index])
    label = index % len(CLASS_NAMES)
    canvas = _background(rng)
    for _ in range(rng.integers(3, 7)):
        _add_distractor(canvas, rng)
    coverage = _object_coverage(rng, CLASS_NAMES[label])
    _paint(canvas, coverage, rng)
    canvas += rng.normal(0.0, 0.01, canvas.shape).astype(np.float32)  # sensor noise
    image = np.round(np.clip(canvas, 0.0, 1.0) * 255.0).astype(np.uint8)
    return image, coverage >= 0.5, label


def _background(rng: np.random.Generator) -> Array:
    """Noise with the 1/f amplitude spectrum of natural photographs (Field 1987), around two blended colours."""
    texture = _pink_noise(rng, slope=rng.uniform(0.9, 1.6))
    blend = np.clip(0.5 + 0.25 * texture, 0.0, 1.0)[..., None]
    first, second = rng.uniform(0.1, 0.9, (2, 3)).astype(np.float32)
    canvas = first * blend + second * (1.0 - blend)
    shade = _pink_noise(rng, slope=2.0)[..., None]
    return np.asarray(canvas + 0.06 * shade, np.float32)


def _pink_noise(rng: np.random.Generator, *, slope: float) -> Array:
    """Noise (64, 64) of zero mean and unit variance whose amplitude falls with frequency ** -slope."""
    fy, fx = np.fft.fftfreq(IMAGE_SIZE)[:, None], np.fft.rfftfreq(IMAGE_SIZE)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = np.inf  # no constant part
    spectrum = np.fft.rfft2(rng.normal(size=(IMAGE_SIZE, IMAGE_SIZE))) * frequency**-slope
    noise = np.fft.irfft2(spectrum, s=(IMAGE_SIZE, IMAGE_SIZE))
    return np.asarray(noise / noise.std(), np.float32)


def _add_distractor(canvas: Array, rng: np.random.Generator) -> None:
    """Paint a stroke or a ragged blob. Kind, place and colour are drawn without regard to the label."""
    y, x = _pixel_centres()
    cy, cx, angle = rng.uniform(0, IMAGE_SIZE), rng.uniform(0, IMAGE_SIZE), rng.uniform(0, 2 * np.pi)
    u, v = _rotate(x - cx, y - cy, angle)
    if rng.random() < 0.5:
        bend = rng.uniform(-0.04, 0.04)
        distance = np.abs(v + bend * u**2) - rng.uniform(0.5, 1.5)
        distance = np.maximum(distance, np.abs(u) - rng.uniform(6, 24))
    else:
        ragged = 3.0 * _pink_noise(rng, slope=1.2)
        distance = np.hypot(u / rng.uniform(0.6, 1.6), v) + ragged - rng.uniform(2, 6)
    alpha = (np.clip(0.5 - distance, 0.0, 1.0) * rng.uniform(0.5, 1.0))[..., None]
    canvas[:] = canvas * (1.0 - alpha) + rng.uniform(0.0, 1.0, 3) * alpha


def _object_coverage(rng: np.random.Generator, shape: str) -> Array:
    """Fraction of each pixel (64, 64) that the object covers."""
    radius = rng.uniform(10.0, 18.0)
    cy, cx = rng.uniform(radius, IMAGE_SIZE - radius, 2)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    fine = (np.arange(IMAGE_SIZE * SUPERSAMPLING) + 0.5) / SUPERSAMPLING
    u, v = _rotate(fine[None, :] - cx, fine[:, None] - cy, angle)
    inside = SHAPES[shape](u / radius, v / radius)
    blocks = inside.reshape(IMAGE_SIZE, SUPERSAMPLING, IMAGE_SIZE, SUPERSAMPLING)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def _paint(canvas: Array, coverage: Array, rng: np.random.Generator) -> None:
    """Fill the object with a colour that differs from what lies under it, and a stripe or grain texture."""
    beneath = (canvas * coverage[..., None]).sum((0, 1)) / coverage.sum()
    colour = max(rng.uniform(0.05, 0.95, (4, 3)), key=lambda c: float(np.abs(c - beneath).sum()))
    y, x = _pixel_centres()
    if rng.random() < 0.5:
        along, _ = _rotate(x, y, rng.uniform(0, 2 * np.pi))
        texture = np.sin(2 * np.pi * along / rng.uniform(3.0, 9.0))
    else:
        texture = _pink_noise(rng, slope=rng.uniform(0.4, 1.2))
    filling = colour + (rng.uniform(0.02, 0.12) * texture)[..., None]
    canvas[:] = canvas * (1.0 - coverage[..., None]) + filling * coverage[..., None]


def _pixel_centres() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centres = np.arange(IMAGE_SIZE) + 0.5
    return centres[:, None], centres[None, :]


def _rotate(x: NDArray[np.float64], y: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], ...]:
    cos, sin = np.cos(angle), np.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


# ------------------------------------------------------- shapes: points (u, v), the object inside the unit disc
Points = NDArray[np.float64]


def _disc(u: Points, v: Points) -> Bools:
    return np.hypot(u, v) <= 0.85


def _ring(u: Points, v: Points) -> Bools:
    distance = np.hypot(u, v)
    return (distance <= 0.95) & (distance >= 0.55)


def _crescent(u: Points, v: Points) -> Bools:
    return (np.hypot(u, v) <= 0.95) & (np.hypot(u - 0.5, v) >= 0.75)


def _square(u: Points, v: Points) -> Bools:
    return np.maximum(np.abs(u), np.abs(v)) <= 0.7


def _bar(u: Points, v: Points) -> Bools:
    return (np.abs(u) <= 0.95) & (np.abs(v) <= 0.28)


def _triangle(u: Points, v: Points) -> Bools:
    return _convex_polygon(u, v, corners=3, apothem=0.5)


def _star(u: Points, v: Points) -> Bools:
    """Five-pointed star: the union of the five slim triangles from the centre region to the points."""
    fifth = 2 * np.pi / 5
    folded = np.abs((np.arctan2(v, u) + fifth / 2) % fifth - fifth / 2)
    distance, inner = np.hypot(u, v), 0.42
    # the edge runs from the point (1, 0) to the notch at radius `inner`, half a fifth further round
    notch_u, notch_v = inner * np.cos(fifth / 2), inner * np.sin(fifth / 2)
    px, py = distance * np.cos(folded), distance * np.sin(folded)
    return np.asarray((px - 1.0) * notch_v - py * (notch_u - 1.0) <= 0.0)


def _cross(u: Points, v: Points) -> Bools:
    near, far = np.minimum(np.abs(u), np.abs(v)), np.maximum(np.abs(u), np.abs(v))
    return (near <= 0.25) & (far <= 0.92)


def _arrow(u: Points, v: Points) -> Bools:
    shaft = (u >= -0.95) & (u <= 0.2) & (np.abs(v) <= 0.18)
    head = (u >= 0.1) & (np.abs(v) <= (0.98 - u) * 0.8)
    return shaft | head


def _heart(u: Points, v: Points) -> Bools:
    x, y = 1.3 * u, 1.3 * v
    return np.asarray((x**2 + y**2 - 1.0) ** 3 + x**2 * y**3 <= 0.0)


def _convex_polygon(u: Points, v: Points, *, corners: int, apothem: float) -> Bools:
    angles = 2 * np.pi * np.arange(corners) / corners
    edges = [u * np.cos(angle) + v * np.sin(angle) <= apothem for angle in angles]
    return np.asarray(np.logical_and.reduce(edges))


SHAPES: dict[str, Callable[[Points, Points], Bools]] = {
    "disc": _disc,
    "ring": _ring,
    "crescent": _crescent,
    "square": _square,
    "bar": _bar,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "arrow": _arrow,
    "heart": _heart,
}
CLASS_NAMES = tuple(SHAPES)


class PlantedDataset:
    """The planted images of one seed. Splits differ in their random stream, so none repeats another's images."""

    class_names = CLASS_NAMES
    label_range = LabelRange(least=0, greatest=len(CLASS_NAMES) - 1, where="[dataset] planted images", complete=True)
    remarks: tuple[str, ...] = ()

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self.fingerprint = hashlib.sha256(f"planted {GENERATOR_VERSION} {seed}".encode()).hexdigest()

    def size(self, split: str) -> int:
        return SPLIT_SIZE[split]

    def sample(self, split: str, index: int) -> Sample:
        image, mask, label = draw(self._seed, split, index)
        return Sample(key=f"{split}/{index:06d}", image=image, label=label, mask=mask)
