"""Reads one picture file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import ConfigError


def read_picture(path: Path, *, where: str) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) RGB. Raises ConfigError that begins with `where` when it cannot be read as one."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            return np.asarray(file.convert("RGB"))
    except FileNotFoundError:
        raise ConfigError(f'{where}: found no file "{path}"') from None
    except UnidentifiedImageError:
        raise ConfigError(f'{where}: "{path}" could not be read as an image (not a format that Pillow knows)') from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f'{where}: "{path}" could not be read as an image ({error})') from error
