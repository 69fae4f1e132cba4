"""The files of `bitlens explain`: pictures in, and one picture per method out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.datasets.pictures import MOST_BYTES, inspect_picture, read_picture
from harness.datasets.pixels import remarks_on_traits
from harness.datasets.reading import AS_SEEN
from harness.errors import ConfigError
from harness.regular_files import open_regular
from harness.saying import say
from harness.store.atomic_files import remove_parts, write_atomically
from harness.store.folder import check_writable, output_errors_explained

if TYPE_CHECKING:
    from harness.cli.explain_image import Explanation, ScoredMap
    from reports.drawing.captions import Caption


def check_pictures(paths: Sequence[Path]) -> None:
    """Before anything expensive is loaded. Says what is read otherwise than it is stored."""
    for path in paths:
        if path.is_dir():
            raise ConfigError(
                f'image: expected pictures, got the folder "{path}"',
                hint=f"{path}/*.jpg for its pictures; `bitlens run` for a data set",
            )
        with open_regular(path, where="image", at_most=MOST_BYTES) as file:
            traits = inspect_picture(file, name=str(path), where="image")
        for remark in remarks_on_traits([traits], AS_SEEN):
            say(f'image "{path}": {remark}')


def check_folder(folder: Path) -> None:
    """Before anything expensive is loaded."""
    check_writable(folder, f'--out: "{folder}"')
    remove_parts(folder)


def read(path: Path) -> NDArray[np.uint8]:
    """A picture (H, W, 3), as large as it is."""
    return read_picture(path, where="image")


def stems(paths: Sequence[Path], model: str) -> Iterator[str]:
    """A name for each picture's files: its own and the model's, numbered where two pictures have one name."""
    used: dict[str, int] = {}
    for path in paths:
        count = used[path.stem] = used.get(path.stem, 0) + 1
        yield f"{path.stem}-{model}" if count == 1 else f"{path.stem}-{count}-{model}"


def write(
    folder: Path,
    stem: str,
    image: NDArray[np.uint8],
    explanation: Explanation,
    *,
    caption: Callable[[ScoredMap], Caption],
    plain: bool,
) -> dict[str, Path]:
    """The file of each method's picture, by the method's name: beneath its caption, or `plain` without."""
    from reports.drawing.captions import as_png, captioned
    from reports.drawing.overlays import overlay_picture

    written = {}
    with output_errors_explained(f'--out: "{folder}"'):
        for row in explanation.maps:
            if row.method is not None:
                picture, said = overlay_picture(image, row.map), caption(row)
                path = folder / f"{stem}-{row.method}.png"
                written[row.method] = write_atomically(
                    path, as_png(picture if plain else captioned(picture, said), said)
                )
    return written
