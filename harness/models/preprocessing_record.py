"""The preprocessing record of a model file: what was declared, and what the file proposes where nothing was."""

from __future__ import annotations

from typing import Any

from harness.errors import ConfigError
from harness.models.catalogue import Model
from harness.models.declared import CROP, NORMALIZATIONS, PAD, Declared, Normalization
from harness.models.own_preprocessing import OwnPreprocessing

WIDEST = 2 * 255  # what a model makes of black to white at most where it prepares pixels: some make -255 to 255
COLOURS = 3  # channels of an image where neither the file nor a mean says how many

Record = dict[str, Any]


def geometry(declared: Declared, height: int, width: int, channels: int) -> Record:
    """What differs from the defaults alone: a record says no more than it must, and older ones mean the same."""
    record: Record = {"height": height, "width": width, "resize": declared.resize, "mean": [0.0] * channels}
    fit = declared.fit or CROP
    if fit == CROP and height == width:
        record["resize"] = declared.resize or height  # to cover a square is to give the shorter side its length
    if fit != CROP:
        record["fit"] = fit
    if fit == PAD:
        record["pad_colour"] = list(declared.pad_colour or (0,))
    if declared.interpolation not in (None, "bilinear"):
        record["interpolation"] = declared.interpolation
    return record


def numbers(model: Model, declared: Declared, own: OwnPreprocessing, proposed: Normalization, channels: int) -> Record:
    """Channel order, mean and scale, as declared or else as `proposed`; `own` is what the model does by itself."""
    preset = NORMALIZATIONS[declared.normalization] if declared.normalization else proposed
    order = declared.channel_order or preset.order
    if order == "bgr" and channels != COLOURS:
        raise ConfigError(f'model "{model.name}": blue first means three channels, its input has {channels}')
    mean, scale = preset.in_order(order)
    mean, scale = declared.mean or mean, declared.scale or scale
    if not declared.says_numbers and own.width > WIDEST:
        raise ConfigError(
            f'model "{model.name}": it {own}: wider than pixels are, so it may take pixels that are scaled already',
            hint='normalization = "unit" and on_top = true (--on-top) if it takes 0 to 1; normalization = "none" if it '
            "takes the pixels themselves",
        )
    record = {
        "channel_order": order,
        "mean": _per_channel(model, declared, "mean", mean, channels),
        "scale": _per_channel(model, declared, "scale", scale, channels),
    }
    scales = any(record["mean"]) or any(number != 1 for number in record["scale"])
    if not declared.on_top and ((own.scales and scales) or (own.reorders and order == "bgr")):
        raise ConfigError(
            f'model "{model.name}": it {own}, and its preprocessing record would do so again',
            hint='normalization = "none" (--normalization none), or on_top = true (--on-top) if it was trained so',
        )
    return record


def normalization_of(record: Record) -> Normalization:
    """What a record does to values, whatever the order of channels."""
    return Normalization(mean=tuple(record["mean"]), scale=tuple(record["scale"]))


def _per_channel(model: Model, declared: Declared, name: str, numbers: tuple[float, ...], channels: int) -> list[float]:
    if len(numbers) not in (1, channels):
        what = f'normalization = "{declared.normalization}"' if declared.normalization else name
        raise ConfigError(
            f'model "{model.name}": expected one number of {name}, or one for each of {channels} '
            f"channel{'s' * (channels > 1)}, {what} has {len(numbers)}"
        )
    return list(numbers) * channels if len(numbers) == 1 else list(numbers)
