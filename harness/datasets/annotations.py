"""Where the object is, for a folder of images: masks as PNG files, or boxes in a labels.csv or in VOC XML files.

    photos/test/cat/1.jpg                the image
    photos/masks/test/cat/1.png          its mask, of the image's size: any value but zero is the object
    photos/labels.csv                    or boxes: x_min, y_min, x_max, y_max in pixels, 0 … width, one row per box
    photos/Annotations/test/cat/1.xml    or boxes as in Pascal VOC, whose pixels count from 1; also Annotations/1.xml
    photos/test/cat/1.xml                or beside the image

The first of these that an image has is the one that counts. Nothing is read before an image is, but for the hash.
"""

from __future__ import annotations

import hashlib
import math
import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from harness.datasets.contents import Contents
from harness.datasets.pictures import open_picture
from harness.datasets.places import Places
from harness.errors import ConfigError
from harness.regular_files import MIB, read_regular

Mask = NDArray[np.bool_]
MASKS, VOC = "masks", "Annotations"
IMAGES = "images"  # a folder that is neither a split nor a class: those lie below it
RESERVED = (MASKS, VOC)  # folders that hold no images
MOST_XML = MIB  # bytes of a VOC file; one with a hundred objects has 30 KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Pixel edges, not centres: 0, 0, width, height is the whole image."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Annotations:
    """What a folder says about the place of the object in each image."""

    def __init__(self, places: Places, names: Iterable[str], *, boxes: Mapping[str, Sequence[Box]]) -> None:
        """names are the images' paths relative to the folder; `boxes` are those that its labels.csv lists."""
        self._folder, self._boxes = places.folder, boxes
        self._files = _files_of(places.folder, names)
        for file in self._files.values():
            places.check(file)

    def marks(self, name: str) -> bool:
        """Whether an image has a mask or box."""
        return name in self._files or bool(self._boxes.get(name))

    def fingerprint(self, contents: Contents) -> str:
        """A hash of every mask and box, or "" when there are none."""
        if not self._files and not any(self._boxes.values()):
            return ""
        digest = hashlib.sha256(repr(sorted((name, tuple(boxes)) for name, boxes in self._boxes.items())).encode())
        for name, file in sorted(self._files.items()):
            relative = file.relative_to(self._folder).as_posix()
            digest.update(f"{name} {contents.of(relative, is_picture=False).sha256} ".encode())
        return digest.hexdigest()

    def mask(self, name: str, *, height: int, width: int, class_name: str) -> Mask | None:
        """The mask (height, width) of an image, or None where the folder does not say.

        class_name  of several objects in an XML file, those of this name count, or all when none has it.
        Raises      ConfigError for a mask of another size, an unreadable file, or a box outside the image.
        """
        file = self._files.get(name)
        if file is not None and file.suffix == ".png":
            return read_mask(file, height=height, width=width)
        if self._boxes.get(name):
            where = f'[dataset] path: "{self._folder / "labels.csv"}" {name}'
            return boxes_as_mask(self._boxes[name], height=height, width=width, where=where)
        if file is None:
            return None
        boxes = read_voc(file, class_name=class_name)
        return boxes_as_mask(boxes, height=height, width=width, where=f'[dataset] path: "{file}"') if boxes else None


def read_mask(path: Path, *, height: int, width: int) -> Mask:
    """The mask of a PNG file: true where any colour, or the palette's index, is not zero. Transparency is ignored."""
    with open_picture(path, where="[dataset] path", what="a mask", formats=("PNG",)) as picture:
        transparent = picture.mode in ("RGBA", "LA", "PA")
        values = np.asarray(picture)
    if values.ndim == 3:
        values = (values[..., :-1] if transparent else values).any(axis=-1)
    if values.shape != (height, width):
        raise ConfigError(
            f'[dataset] path: mask "{path}": expected the {width}x{height} pixels of its image, '
            f"got {values.shape[1]}x{values.shape[0]}",
            hint="masks at the size of the image's file; resizing and cropping are done to both together",
        )
    return np.asarray(values != 0)


def read_voc(path: Path, *, class_name: str) -> list[Box]:
    """The boxes of a Pascal VOC XML file, none if it lists no object."""
    content = read_regular(path, where="[dataset] path", at_most=MOST_XML)
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ConfigError(f'[dataset] path: "{path}" could not be read as VOC XML ({error})') from error
    objects = root.findall("object")
    own = [each for each in objects if (each.findtext("name") or "").strip() == class_name]
    return [_voc_box(each, path) for each in own or objects]


def _voc_box(element: ElementTree.Element, path: Path) -> Box:
    texts = [element.findtext(f"bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax")]
    try:
        x_min, y_min, x_max, y_max = (float(text or "") for text in texts)
    except ValueError:
        raise ConfigError(
            f'[dataset] path: "{path}": expected an object\'s bndbox with the numbers xmin, ymin, xmax, ymax, '
            f"got {', '.join(str(text)[:20] for text in texts)}"
        ) from None
    return Box(x_min=_from_zero(x_min), y_min=_from_zero(y_min), x_max=x_max, y_max=y_max)


def _from_zero(first: float) -> float:
    """The edge before a first pixel that VOC counts from 1; some tools write 0 for it nevertheless."""
    return first if first < 0 else max(first - 1, 0)


def boxes_as_mask(boxes: Sequence[Box], *, height: int, width: int, where: str) -> Mask:
    """True inside any of the boxes; a pixel that a box touches is inside."""
    mask = np.zeros((height, width), bool)
    for box in boxes:
        if not (0 <= box.x_min < box.x_max <= width and 0 <= box.y_min < box.y_max <= height):
            raise ConfigError(
                f"{where}: expected a box inside the {width}x{height} image, got x {box.x_min:g} to {box.x_max:g}, "
                f"y {box.y_min:g} to {box.y_max:g}",
                hint="x_min < x_max <= width and y_min < y_max <= height, in pixels of the image's file",
            )
        mask[math.floor(box.y_min) : math.ceil(box.y_max), math.floor(box.x_min) : math.ceil(box.x_max)] = True
    return mask


def _files_of(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """The mask or XML file of each image that has one."""
    names = list(names)
    stems = Counter(_without_suffix(name).rpartition("/")[2] for name in names)
    inside = _Listings(folder)
    files: dict[str, Path] = {}
    for name in names:
        found = next((each for each in _candidates(name) if inside.has(each)), None)
        if found is None:
            continue
        stem = _without_suffix(name).rpartition("/")[2]
        if found == f"{VOC}/{stem}.xml" and stems[stem] > 1:
            raise ConfigError(
                f'[dataset] path: "{folder / found}" fits {stems[stem]} images, one of them "{name}"',
                hint=f'"{VOC}/{_without_suffix(name)}.xml"',
            )
        files[name] = folder / found
    for kind, suffix in ((MASKS, ".png"), (VOC, ".xml")):
        _check_used(folder / kind, suffix, files.values(), names)
    return files


def _candidates(name: str) -> tuple[str, ...]:
    bare = _without_suffix(name)
    top, _, rest = bare.partition("/")
    inside = (bare, rest) if top.casefold() == IMAGES and rest else (bare,)  # masks/ may stand beside images/
    return (
        *(f"{MASKS}/{each}.png" for each in inside),
        *(f"{VOC}/{each}.xml" for each in inside),
        f"{VOC}/{bare.rpartition('/')[2]}.xml",
        f"{bare}.xml",
    )


def _without_suffix(name: str) -> str:
    return os.path.splitext(name)[0]


class _Listings:
    """Which files folders hold, each listed once: asking for every file of 60,000 images takes seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: dict[str, frozenset[str]] = {}

    def has(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder not in self._names:
            try:
                found = os.listdir(self._folder / folder)
            except OSError:  # it does not exist
                found = []
            self._names[folder] = frozenset(each for each in found if each.endswith((".png", ".xml")))
        return file in self._names[folder]


def _check_used(kind: Path, suffix: str, used: Iterable[Path], names: Sequence[str]) -> None:
    """A folder of masks of which none fits an image is a mistake in its file names, and is reported."""
    if not kind.is_dir():
        return
    files = sorted(file for file in kind.rglob("*") if file.is_file() and not file.name.startswith("."))
    wrong = next((file for file in files if file.suffix != suffix), None)
    if wrong is not None:
        raise ConfigError(
            f'[dataset] path: "{kind}": expected {suffix} files only, got "{wrong.relative_to(kind)}"',
            hint=f'a class called "{kind.name}" goes into folders train/ and test/',
        )
    if files and not any(kind in file.parents for file in used):
        expected = PurePosixPath(names[0]).with_suffix(suffix)
        raise ConfigError(
            f'[dataset] path: "{kind}": none of its {len(files)} files has the path of an image',
            hint=f'"{kind.name}/{expected}" for the image "{names[0]}"',
        )
