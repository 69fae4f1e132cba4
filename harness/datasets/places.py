"""Where the files of an image folder may lie: in the folder, and in folders that it links to as a whole.

People link whole folders, such as a copy of ImageNet; the data set's own folder may be a link, too. A link to a single
file that leads out of the data set is refused: an archive from a stranger may hold one to a picture of yours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ConfigError
from harness.regular_files import is_regular, kind_of

WHERE = "[dataset] path"
_SYSTEM = {  # what systems and tools leave in folders, besides names that begin with a dot
    *("__macosx", "@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information", "__pycache__"),
    *("thumbs.db", "ehthumbs.db", "desktop.ini"),
}


@dataclass(slots=True)
class Tree:
    """Names relative to a folder, "/" between their parts. Of what is hidden only the top is named."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)  # links to folders that are read elsewhere


def is_hidden(name: str) -> bool:
    """Whether people do not see a file or folder of this name in their tools, and mean no class by it."""
    return name.startswith(".") or name.casefold() in _SYSTEM


class Places:
    """The folder of a data set, and which files count as its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.path.realpath(folder)

    def check(self, file: Path, where: str = WHERE) -> None:
        """Raises ConfigError that begins with `where` unless the file is regular and lies in the data set."""
        if is_regular(file):  # itself, not what it links to
            return
        found = kind_of(file)
        if found == "nothing":
            raise ConfigError(f'{where}: expected a picture, found no file "{file}"', hint=_hint(file))
        if found:
            raise ConfigError(f'{where}: "{file}": expected a regular file, got {found}')
        if file.is_symlink() and not self._holds(os.path.realpath(file)):
            raise ConfigError(
                f'{where}: "{file}" is a link that leads out of the data set, to "{os.path.realpath(file)}"',
                hint="a copy of the file in its place, or a link to its whole folder",
            )

    def names(self) -> list[str]:
        """What lies in the folder itself. Raises ConfigError where it cannot be listed."""
        try:
            return os.listdir(self.folder)
        except OSError as error:
            raise ConfigError(f'{WHERE}: "{self.folder}" could not be listed ({error.strerror})') from error

    def tree(self) -> Tree:
        """What lies in the folder, and in folders outside that it links to, each folder once.

        A folder inside that is linked to is read where it is. Raises ConfigError for one that cannot be listed.
        """
        tree, seen = Tree(), set[str]()

        def refuse(error: OSError) -> None:
            raise ConfigError(f'{WHERE}: "{error.filename}" could not be listed ({error.strerror})') from error

        for place, folders, files in os.walk(self.folder, followlinks=True, onerror=refuse):
            inside = os.path.relpath(place, self.folder)
            before = "" if inside == os.curdir else f"{inside}/"
            tree.hidden += [f"{before}{name}" for name in sorted([*folders, *files]) if is_hidden(name)]
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            tree.folders += [f"{before}{name}" for name in folders]
            tree.files += [f"{before}{name}" for name in sorted(files) if not is_hidden(name)]
            new = [name for name in folders if self._is_new(os.path.join(place, name), seen)]
            tree.repeated += [f"{before}{name}" for name in folders if name not in new]
            folders[:] = new
        return tree

    def _is_new(self, folder: str, seen: set[str]) -> bool:
        real = os.path.realpath(folder)
        around = self._holds(real) or self._root.startswith(real.rstrip(os.sep) + os.sep)
        if real in seen or (os.path.islink(folder) and around):
            return False
        seen.add(real)
        return True

    def _holds(self, real: str) -> bool:
        return real == self._root or real.startswith(self._root.rstrip(os.sep) + os.sep)


def check_utf8(name: str, folder: Path) -> None:
    """Names identify images in results for ever, so they are text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f'{WHERE}: "{folder / name}": expected a file name in UTF-8, got the bytes {os.fsencode(name)!r}',
            hint="rename it, or `convmv -f latin1 -t utf8 -r --notest FOLDER` for all of a folder",
        ) from None


def _hint(file: Path) -> str:
    if "\\" in file.name:
        return f'"/" between folders, as in "{file.name.replace(chr(92), "/")}"'
    return ""
