"""A model named on the command line: of the catalogue, of an experiment file, or a model file of the user's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ConfigError, nearest
from harness.keras_packages import layers_of
from harness.models.catalogue import CATALOGUE, Model, catalogue_model
from harness.models.classifier import as_classifier
from harness.models.files import read_model
from harness.models.loading import load_model
from harness.models.origin import SUFFIXES
from harness.outputs import class_count


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """What a model file does not say itself: input = (pixels - mean) * scale, in this order of channels.

    mean, scale  one number for all channels, or one for each.
    size         (height, width) of a model whose file leaves its input's size open.
    output       what its outputs are, one of `harness.outputs.KINDS`; "" for what their values say.
    resize       the shorter side of an image before it is cropped at the centre; as large as the input if None.
    """

    mean: tuple[float, ...] = (127.5,)
    scale: tuple[float, ...] = (1 / 127.5,)
    channel_order: str = "rgb"
    size: tuple[int, int] | None = None
    resize: int | None = None
    output: str = ""
    trusted: bool = False


def open_named(name: str, *, weights: str | None, seed: int = 0) -> tuple[Model, Any]:
    """A model of the catalogue with its Keras model."""
    if name not in CATALOGUE:
        raise ConfigError(
            f'model: expected a name of the catalogue or a file, got "{name}"',
            hint=f"{nearest(name, CATALOGUE)}; `bitlens list models` shows all",
        )
    if weights not in (None, "trained", "imagenet", "random"):
        weights = str(Path(weights).expanduser())
    model = catalogue_model(name, CATALOGUE[name], weights=weights, seed=seed)
    return model, load_model(model)


def is_file(name: str) -> bool:
    """Does a name on the command line mean a file or folder rather than a model of the catalogue?"""
    return name not in CATALOGUE and (os.path.exists(name) or Path(name).suffix in SUFFIXES or "/" in name)


def open_file(path: Path, options: FileOptions) -> tuple[Model, Any]:
    """A Keras file or SavedModel folder; the size of its input and its classes are read from it."""
    path = path.expanduser()
    unread = Model(name=path.stem, family="", preprocessing={}, classes=0, weights=str(path), trusted=options.trusted)
    keras_model = read_model(unread)
    height, width, channels, classes = _shape(path, keras_model, options)
    model = Model(
        name=path.stem,
        family="binarized" if _is_binarized(keras_model) else "full-precision",
        preprocessing={
            "height": height,
            "width": width,
            "resize": options.resize or max(height, width),
            "channel_order": options.channel_order,
            "mean": _per_channel("mean", options.mean, channels),
            "scale": _per_channel("scale", options.scale, channels),
        },
        classes=classes,
        weights=str(path),
        output=options.output,
        trusted=options.trusted,
    )
    return model, as_classifier(model, keras_model)


def _shape(path: Path, keras_model: Any, options: FileOptions) -> tuple[int, int, int, int]:
    """Height, width, channels and classes of a model of one image."""
    inputs, outputs = getattr(keras_model, "inputs", None), getattr(keras_model, "outputs", None)
    if not inputs or not outputs or len(inputs[0].shape) != 4:
        raise ConfigError(
            f'model "{path.stem}": its file does not say that it takes one image (height, width, channels)',
            hint="a [[model]] table of an experiment file says so, and --experiment FILE.toml reads it",
        )
    _, height, width, channels = inputs[0].shape
    if options.size is not None:
        height, width = options.size
    if height is None or width is None:
        raise ConfigError(f'model "{path.stem}": its file leaves the size of its input open', hint="--size 224")
    if options.resize is not None and options.resize < max(height, width):
        raise ConfigError(
            f"--resize: expected at least {max(height, width)}, of which {height}x{width} is cut, got {options.resize}"
        )
    scores = tuple(outputs[0].shape)
    return int(height), int(width), int(channels or 3), class_count(int((scores and scores[-1]) or 0))


def _per_channel(name: str, values: tuple[float, ...], channels: int) -> list[float]:
    if len(values) not in (1, channels):
        raise ConfigError(f"--{name}: expected one number, or one for each of {channels} channels, got {len(values)}")
    return list(values) * channels if len(values) == 1 else list(values)


def _is_binarized(keras_model: Any) -> bool:
    """Larq's layers quantize their kernels, those of full-precision twins by nothing."""
    return any(getattr(layer, "kernel_quantizer", None) is not None for layer in layers_of(keras_model))
