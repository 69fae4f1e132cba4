"""How many images a key of the experiment file asks for, and what is said where a data set has fewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from converters import FORMATS
from harness.errors import ConfigError
from harness.models.catalogue import Model

ACCURACY, CALIBRATION = "[accuracy] images", "[conversion] calibration_images"


@dataclass(frozen=True, slots=True)
class Asked:
    """`key` says it, with its table; `count` images in all."""

    key: str
    count: int

    def refuse(self, split: str, available: int, model: Model) -> NoReturn:
        """Raises ConfigError: the split, whose images model `model` sees, has `available` ones."""
        name = self.key.split()[-1]
        if available:
            hint = f"{name} = {available}" + ', or images = "all"' * (self.key == ACCURACY)
        elif split == "train":
            formats = ", ".join(name for name, spec in FORMATS.items() if spec.convert and not spec.calibrated)
            hint = f"pictures that train, in a folder train/, or formats that need none: {formats}"
        else:
            hint = "pictures that judge, in a folder test/"
        has = f"has {available:,}" if available else "is empty"
        raise ConfigError(
            f'{self.key}: {self.count:,} images of the {split} split are wanted for model "{model.name}", and it {has}',
            hint=hint,
        )
