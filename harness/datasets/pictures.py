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
from harness.datasets.pixels import rgb, traits_of
from harness.datasets.reading import AS_SEEN, Reading
from harness.errors import ConfigError, one_line
from harness.regular_files import MIB, open_regular

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp")
MOST_BYTES = 512 * MIB  # of a file: what so many pixels take uncompressed
SMALLER = "a smaller copy: models see some hundred pixels of each side"


def read_picture(path: Path, *, where: str, reading: Reading = AS_SEEN) -> NDArray[np.uint8]:
    """The picture as (H, W, 3) RGB. Raises ConfigError that begins with `where` when it cannot be read as one."""
    with open_regular(path, where=where, at_most=MOST_BYTES) as file:
        return _read(file, name=str(path), where=where, reading=reading)


def decode_picture(content: bytes, *, name: str, where: str, reading: Reading = AS_SEEN) -> NDArray[np.uint8]:
    """The same for a picture in memory; `name` is what the sentence calls it."""
    return _read(io.BytesIO(content), name=name, where=where, reading=reading)


def inspect_picture(file: BinaryIO, *, name: str, where: str) -> tuple[str, ...]:
    """The traits of an opened file (`harness.datasets.pixels`) by its header. Raises ConfigError for no picture."""
    with _decoding(file, FORMATS, name=name, where=where, what="an image") as picture:
        return traits_of(picture, file)


def _read(file: BinaryIO, *, name: str, where: str, reading: Reading) -> NDArray[np.uint8]:
    with _decoding(file, FORMATS, name=name, where=where, what="an image") as picture:
        try:
            return rgb(picture, file, reading)
        except ConfigError as error:
            raise ConfigError(f'{where}: "{name}": {error}', hint="an 8-bit copy of it") from None


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
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of many pixels, which we count ourselves, of broken Exif data, of palettes
            with Image.open(file, formats=formats) as picture:
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


def _check_size(picture: Image.Image, what: str) -> None:
    width, height = picture.size
    most = MOST_PIXELS // 2 if picture.format == "WEBP" else MOST_PIXELS  # whose decoder holds each pixel three times
    if width * height > most:
        raise ConfigError(
            f"{what}: expected {most:,} pixels at most, got {width}x{height} = {width * height:,}",
            hint=SMALLER,
        )
