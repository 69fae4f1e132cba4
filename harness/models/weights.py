"""An HDF5 file, read to its end before Keras reads it: nothing in it leads out of the file or is larger than it.

HDF5 can keep an array in another file, make one of parts of others, and say that a kilobyte holds a terabyte. Keras
uses none of that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.models.containers import most_bytes
from harness.models.refusals import Unreadable, words

MOST_OBJECTS = 200_000  # groups and data sets; the largest model of keras.applications has 8,000
MOST_ATTRIBUTE = 64 * 2**20  # bytes
MOST_CHUNK = 256 * 2**20  # bytes that are unpacked at once
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}  # of HDF5 itself and of h5py
KINDS = "fiubV"  # numbers, truth values, and the 2 bytes of a bfloat16


def check_hdf5(path: Path) -> int:
    """The bytes of all its arrays together. Raises Unreadable for a file with what Keras does not write."""
    import h5py

    most = most_bytes(path.stat().st_size)
    total = 0
    with h5py.File(path, "r") as file:
        if file.userblock_size:
            raise Unreadable("it does not begin as HDF5 does")
        for name, item in _objects(file):
            _read_attributes(item)
            if isinstance(item, h5py.Dataset):
                total += _check_array(name, item, most)
            if total > most:
                raise Unreadable(f"its arrays unpack to more than {most >> 20} MiB")
    return total


def _objects(file: Any) -> Iterator[tuple[str, Any]]:
    """All groups and data sets with their names, each once."""
    import h5py

    seen: set[Any] = set()
    waiting: list[tuple[str, Any]] = [("", file)]
    while waiting:
        name, item = waiting.pop()
        place = h5py.h5o.get_info(item.id).addr
        if place in seen:
            continue
        seen.add(place)
        if len(seen) > MOST_OBJECTS:
            raise Unreadable(f"it holds more than {MOST_OBJECTS} arrays and groups")
        yield name, item
        if isinstance(item, h5py.Group):
            for inside in item:
                if not isinstance(item.get(inside, getlink=True), h5py.HardLink):
                    raise Unreadable(f'its part "{words(inside)}" is a link to another place')
                waiting.append((inside, item[inside]))


def _read_attributes(item: Any) -> None:
    """As Keras will: whoever examines a file runs into what is wrong with it first."""
    import h5py

    for name in item.attrs:
        attribute = h5py.h5a.open(item.id, name.encode())
        if math.prod(attribute.shape) * attribute.get_type().get_size() > MOST_ATTRIBUTE:
            raise Unreadable(f'its attribute "{words(name)}" has more than {MOST_ATTRIBUTE >> 20} MiB')
        item.attrs[name]


def _check_array(name: str, array: Any, most: int) -> int:
    """The bytes of an array; those that are packed are unpacked, piece by piece."""
    if array.external or array.is_virtual:
        raise Unreadable(f'its array "{words(name)}" is kept in another file')
    if array.shape is None or array.dtype.kind not in KINDS or array.dtype.itemsize > 16:
        raise Unreadable(f'its array "{words(name)}" holds no numbers')
    count = math.prod(int(size) for size in array.shape) * int(array.dtype.itemsize)
    if count > most:
        raise Unreadable(f'its array "{words(name)}" unpacks to more than {most >> 20} MiB')
    if array.chunks is None:
        return count
    properties = array.id.get_create_plist()
    filters = [properties.get_filter(i)[0] for i in range(properties.get_nfilters())]
    if any(number not in FILTERS for number in filters):
        raise Unreadable(f'its array "{words(name)}" is compressed in an unusual way')
    if math.prod(array.chunks) * array.dtype.itemsize > MOST_CHUNK:
        raise Unreadable(f'its array "{words(name)}" is stored in chunks of more than {MOST_CHUNK >> 20} MiB')
    for piece in array.iter_chunks():
        array[piece]
    return count
