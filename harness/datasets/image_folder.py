"""A folder of photographs of any size, labelled by sub-folder or by a `labels.csv`."""

from __future__ import annotations

from pathlib import Path

from harness.datasets.annotations import Annotations
from harness.datasets.class_list import ClassList, find_list, read_list
from harness.datasets.contents import Content, Contents
from harness.datasets.dataset import Sample
from harness.datasets.labelled_folders import labelled_by_folders
from harness.datasets.labelled_rows import LABELS, LabelledRows
from harness.datasets.pictures import read_picture
from harness.datasets.pixels import remarks_on_traits
from harness.datasets.places import WHERE, Places
from harness.datasets.reading import Reading, colour_of
from harness.datasets.splits import divide, hash_of
from harness.errors import ConfigError


class ImageFolder:
    """Images in the order of their paths' hashes, so that any leading part is a fair draw from all classes.

    classes     a file with the names of the classes in their order; by default classes.txt in the folder, if any.
    alpha_over  what lies under transparent pixels: a colour, or "nothing" to drop transparency.
    exif        "apply" turns pictures upright, "ignore" leaves them as stored. Where such a picture has a mask or box,
                one of the two has to be said: nobody knows in which pixels those count.
    """

    def __init__(
        self, folder: Path, *, classes: str | None = None, alpha_over: str = "white", exif: str | None = None
    ) -> None:
        if not folder.is_dir():
            raise ConfigError(f'{WHERE}: expected a folder of images, found no folder "{folder}"')
        self._folder, self._places = folder, Places(folder)
        self._reading = Reading(alpha_over=colour_of(alpha_over), upright=exif != "ignore")
        contents, listed, table = Contents(folder), self._class_list(classes), self._file_called(LABELS)
        if table is None:
            labelled = labelled_by_folders(self._places, contents, listed)
        else:
            labelled = LabelledRows(self._places, contents, listed).read(folder / table)
        division = divide(labelled.splits, called=labelled.called, where=f'{WHERE}: "{folder}"')
        self._labels, self.class_names, self.label_range = labelled.labels, labelled.class_names, labelled.label_range
        self._names = {split: sorted(names, key=hash_of) for split, names in division.splits.items()}
        used = {name: labelled.contents[name] for split in ("test", "train") for name in self._names[split]}
        self._annotations = Annotations(self._places, used, boxes=labelled.boxes)
        if exif is None:
            self._check_turned(used)
        self.fingerprint = self._fingerprint(used, contents)
        self.remarks: tuple[str, ...] = (
            *(listed.remarks if listed else ()),
            *labelled.remarks,
            *division.remarks,
            *remarks_on_traits((content.traits for content in used.values()), self._reading),
            *self._remarks_on_copies(used),
        )
        contents.remember()

    def size(self, split: str) -> int:
        return len(self._names[split])

    def sample(self, split: str, index: int) -> Sample:
        name = self._names[split][index]
        pixels = read_picture(self._folder / name, where=WHERE, reading=self._reading)
        label, (height, width) = self._labels[name], pixels.shape[:2]
        mask = self._annotations.mask(name, height=height, width=width, class_name=self.class_names[label])
        return Sample(key=name, image=pixels, label=label, mask=mask)

    def _class_list(self, classes: str | None) -> ClassList | None:
        if classes is not None:
            return read_list(Path(classes), where="[dataset] classes")
        path = find_list(self._folder, self._places.names())
        if path is None:
            return None
        self._places.check(path)
        return read_list(path, where=WHERE)

    def _file_called(self, name: str) -> str | None:
        """The file of this name in the folder, in any case. Raises ConfigError for two."""
        found = sorted(each for each in self._places.names() if each.casefold() == name)
        if len(found) > 1:
            raise ConfigError(f'{WHERE}: "{self._folder}" has {" and ".join(found)}: expected one "{name}"')
        return found[0] if found else None

    def _check_turned(self, used: dict[str, Content]) -> None:
        """Raises ConfigError where nobody has said in which pixels masks and boxes count."""
        both = [name for name, content in used.items() if "turned" in content.traits and self._annotations.marks(name)]
        if both:
            raise ConfigError(
                f'[dataset] exif: expected "apply" or "ignore", got none: the Exif data of {len(both):,} pictures with '
                f'a mask or box says to turn them, such as "{min(both)}"',
                hint='"apply" when masks and boxes count pixels of the picture as it is seen, "ignore" when they count '
                "pixels as they are stored",
            )

    def _fingerprint(self, used: dict[str, Content], contents: Contents) -> str:
        rows = [
            (split, name, self._labels[name], used[name].sha256)
            for split, names in sorted(self._names.items())
            for name in sorted(names)
        ]
        return hash_of(repr((rows, self.class_names, self._reading)) + self._annotations.fingerprint(contents))

    def _remarks_on_copies(self, used: dict[str, Content]) -> list[str]:
        calibrating = {used[name].sha256: name for name in self._names["train"]}
        both = [name for name in self._names["test"] if used[name].sha256 in calibrating]
        if not both:
            return []
        first, judging = min(both), len(self._names["test"])
        return [
            f"{len(both):,} of {judging:,} pictures that judge: among those that calibrate as well, byte for byte, "
            f'such as "{first}", which is "{calibrating[used[first].sha256]}"'
        ]
