"""Opens picture files: the formats that data sets document and no other, and nothing larger than we can hold.

Pillow knows some forty formats, of which one starts Ghostscript, and goes by a file's content, whatever its name says.
So the formats are named here, and the pixels are counted in the header before any is decoded.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harness.datasets.dataset import MOST_PIXELS
from harness.errors import ConfigError, one_line
from harness.regular_files import MIB, open_regular

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
MOST_BYTES = 512 * MIB  # of a file: what so many pixels take uncompressed
SMALLER = "a smaller copy: models see some hundred pixels of each side"
_BAND = 2**22  # pixels that are converted at a time


def read_picture(path: Path, *, where: str) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) RGB. Raises ConfigError that begins with `where` when it cannot be read as one."""
    with open_picture(path, where=where) as picture:
        return _rgb(picture)


def decode_picture(content: bytes, *, name: str, where: str) -> NDArray[np.uint8]:
    """The same for a picture in memory; `name` is what the sentence calls it."""
    with _decoding(io.BytesIO(content), FORMATS, name=name, where=where, what="an image") as picture:
        return _rgb(picture)


@contextmanager
def open_picture(
    path: Path, *, where: str, what: str = "an image", formats: tuple[str, ...] = FORMATS
) -> Iterator[Image.Image]:
    """The picture of a file, not decoded yet. What fails inside of the `with` is such a sentence, too.

    what  is read, as the sentence calls it.
    """
    with (
        open_regular(path, where=where, at_most=MOST_BYTES) as file,
        _decoding(file, formats, name=str(path), where=where, what=what) as picture,
    ):
        yield picture


@contextmanager
def _decoding(file: BinaryIO, formats: tuple[str, ...], *, name: str, where: str, what: str) -> Iterator[Image.Image]:
    problem = f'{where}: "{name}" could not be read as {what}'
    try:
        with _opened(file, formats) as picture:
            _check_size(picture, f'{where}: "{name}"')
            yield picture
    except UnidentifiedImageError:
        raise ConfigError(
            f"{problem} (its content is none of {', '.join(formats)})", hint="convert it to one of these formats"
        ) from None
    except Image.DecompressionBombError as error:
        raise ConfigError(
            f'{where}: "{name}": expected {MOST_PIXELS:,} pixels at most ({error})', hint=SMALLER
        ) from None
    except ConfigError:
        raise
    except Exception as error:  # decoders let through what broken files make them raise: IndexError, struct.error, ...
        raise ConfigError(f"{problem} ({one_line(error)})") from error


def _opened(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    """The picture with its header read. Pillow warns of 89 million pixels and more: we count ourselves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=formats)


def _check_size(picture: Image.Image, what: str) -> None:
    width, height = picture.size
    most = MOST_PIXELS // 2 if picture.format == "WEBP" else MOST_PIXELS  # whose decoder holds each pixel three times
    if width * height > most:
        raise ConfigError(
            f"{what}: expected {most:,} pixels at most, got {width}x{height} = {width * height:,}",
            hint=SMALLER,
        )


def _rgb(picture: Image.Image) -> NDArray[np.uint8]:
    """(H, W, 3), converted band by band: a whole copy in every form would take twice the memory."""
    picture.load()
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)).convert("RGB"))
    return pixels
