"""From a picture as it is stored to (H, W, 3) RGB of 8 bits: depth, transparency and orientation, as one record says.

What a file says in its header is used, or refused in a sentence: nothing that it says is dropped without a word.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.reading import Colour, Reading
from harness.errors import ConfigError, shown

TRAITS = ("turned", "transparent", "deep", "cmyk", "animated")  # what is said of pictures, as `traits_of` finds it

_DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # a PNG of 16 bit grey, by the version of Pillow
_PLAIN = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
_OF_FEW_BITS = {"L;2": 85, "L;4": 17}  # what their greys are multiplied with
_ORIENTATION = 0x0112  # Exif's tag
_TURNS: dict[
    int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
] = {  # what makes a stored picture upright, on (H, W, 3)
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.rot90(pixels, 2).swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}
_BAND = 2**22  # pixels that are converted at a time


def rgb(picture: Image.Image, file: BinaryIO, reading: Reading) -> NDArray[np.uint8]:
    """(H, W, 3) of an opened picture, converted band by band: a whole copy in every form would take twice the memory.

    Of 16 bits the upper 8 count, in grey as in colour, as libpng takes them. Of an animation the first frame is read.
    Raises ConfigError, without saying which picture.
    """
    _check_mode(picture, reading)
    _scale_key(picture)
    orientation = _orientation(picture, file) if reading.upright else 1
    picture.load()
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(_coloured(picture.crop((0, top, width, bottom)), reading.alpha_over))
    return _TURNS[orientation](pixels) if orientation in _TURNS else pixels


def traits_of(picture: Image.Image, file: BinaryIO) -> tuple[str, ...]:
    """Which of TRAITS an opened picture has, from its header alone."""
    has = {
        "turned": _orientation(picture, file) in _TURNS,
        "transparent": picture.has_transparency_data,
        "deep": picture.mode in _DEEP,
        "cmyk": picture.mode == "CMYK",
        "animated": picture.format in ("PNG", "WEBP") and bool(getattr(picture, "is_animated", False)),
    }
    return tuple(name for name in TRAITS if has[name])


def remarks_on_traits(traits: Iterable[Iterable[str]], reading: Reading) -> list[str]:
    """What is said of pictures with these traits that are read so, a sentence each."""
    every = [tuple(each) for each in traits]
    count = Counter(trait for each in every for trait in each)
    transparent = "transparency dropped"
    if reading.alpha_over is not None:
        transparent = f"transparent pixels, if any, laid over #{bytes(reading.alpha_over).hex()}"
    said = {
        "turned": f"{'turned upright' if reading.upright else 'not turned'} as the Exif data says",
        "transparent": transparent,
        "deep": "16 bits of grey, of which the upper 8 are read: 65,535 is white",
        "cmyk": "from CMYK to RGB without the colour profile",
        "animated": "the first frame of an animation",
    }
    of = f" of {len(every):,} pictures: " if len(every) > 1 else ""
    return [f"{count[trait]:,}{of}{said[trait]}" if of else said[trait] for trait in TRAITS if count[trait]]


def _check_mode(picture: Image.Image, reading: Reading) -> None:
    if picture.mode not in _DEEP + _PLAIN:
        raise ConfigError(f"its pixels are of a kind that is not read, {shown(picture.mode)}")
    key = picture.info.get("transparency")
    if reading.alpha_over is not None and isinstance(key, tuple) and max(key) > 255:
        raise ConfigError("one colour of 16 bits is transparent, which is not read: expected an alpha channel")


def _scale_key(picture: Image.Image) -> None:
    """Pillow makes 8 bits of greys of 2 and 4, and leaves the one of them that is transparent as it stands."""
    tiles, key = getattr(picture, "tile", ()), picture.info.get("transparency")
    factor = _OF_FEW_BITS.get(tiles[0].args) if tiles and isinstance(tiles[0].args, str) else None
    if factor is not None and isinstance(key, int):
        picture.info["transparency"] = factor * key


def _coloured(band: Image.Image, under: Colour | None) -> Image.Image:
    band = _of_8_bits(band)
    if under is None or not band.has_transparency_data:
        return band.convert("RGB")
    canvas = Image.new("RGBA", band.size, (*under, 255))
    return Image.alpha_composite(canvas, band.convert("RGBA")).convert("RGB")


def _of_8_bits(band: Image.Image) -> Image.Image:
    """The upper 8 bits of 16: white stays white, and 16 bits of grey give what 16 bits of colour give."""
    if band.mode not in _DEEP:
        return band
    values = np.asarray(band)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    key = band.info.get("transparency")
    if key is not None:
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _orientation(picture: Image.Image, file: BinaryIO) -> int:
    """1 to 8 as Exif counts them; 1 where nothing, or nothing that can be read, is said."""
    if picture.format == "PNG" and "exif" not in picture.info and _has_late_exif(file):
        picture.load()  # what follows the pixels is read with them
    try:
        found: Any = picture.getexif().get(_ORIENTATION, 1) if _may_have_exif(picture) else 1
    except Exception:  # broken Exif data: the picture is as good without
        return 1
    return found if isinstance(found, int) else 1


def _may_have_exif(picture: Image.Image) -> bool:
    """Pillow would decode a whole PNG to look for it."""
    names = ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp")
    return picture.format != "PNG" or any(name in picture.info for name in names)


def _has_late_exif(file: BinaryIO) -> bool:
    """Whether a PNG has its Exif data behind its pixels, where ImageMagick writes it."""
    place = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            if head[4:] == b"eXIf":
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
        return False
    finally:
        file.seek(place)
