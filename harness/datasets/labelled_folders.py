"""Labels from the folders that pictures lie in, and what else lies there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.datasets.annotations import MASKS, RESERVED, VOC
from harness.datasets.class_folders import ClassFolders, counted_suffixes
from harness.datasets.class_list import FILES, ClassList
from harness.datasets.contents import Content, Contents
from harness.datasets.labelled import Labelled
from harness.datasets.pictures import SUFFIXES
from harness.datasets.places import WHERE, Places, Tree, check_utf8
from harness.errors import ConfigError, quoted


def labelled_by_folders(places: Places, contents: Contents, listed: ClassList | None) -> Labelled:
    """What the folders of a data set say of the pictures that can be read. Raises ConfigError for what is ambiguous."""
    tree = _without_annotations(places.tree())
    pictures = [name for name in tree.files if name.lower().endswith(SUFFIXES)]
    folders = ClassFolders(tree, pictures, listed=listed, where=f'{WHERE}: "{places.folder}"')
    found = {}
    for name in folders.pictures:
        check_utf8(name, places.folder)
        places.check(places.folder / name)
        found[name] = contents.of(name)
    labelled = folders.labelled({name: content for name, content in found.items() if not content.problem})
    return replace(labelled, remarks=(*labelled.remarks, *_left_out(tree, pictures, found)))


def _without_annotations(tree: Tree) -> Tree:
    """The tree without the folders of masks and boxes. Raises ConfigError for one of nearly that name."""
    for kind, suffix in ((MASKS, ".png"), (VOC, ".xml")):
        for name in tree.files:
            top = name.split("/", 1)[0]
            if top != kind and top.casefold() == kind.casefold() and name.lower().endswith(suffix):
                raise ConfigError(
                    f'{WHERE}: expected masks or boxes in a folder called "{kind}", got "{name}"',
                    hint=f'"{kind}" for the folder; a class of that name goes into folders train/ and test/',
                )
    reserved = tuple(f"{name}/" for name in RESERVED)
    return Tree(
        files=[name for name in tree.files if not name.startswith(reserved)],
        folders=[name for name in tree.folders if not f"{name}/".startswith(reserved)],
        hidden=tree.hidden,
        repeated=tree.repeated,
    )


def _left_out(tree: Tree, pictures: list[str], found: dict[str, Content]) -> Iterator[str]:
    known = {*pictures, *(f"{name.rpartition('.')[0]}.xml" for name in pictures)}
    others = [name for name in tree.files if name not in known and name.casefold() not in FILES]
    if others:
        yield f"skipped files without the name of a picture: {counted_suffixes(others)}"
    problems = [content.problem for content in found.values() if content.problem]
    if problems:
        yield f"skipped files whose content is not a picture: {len(problems):,}, the first: {problems[0]}"
    if tree.repeated:
        yield f"skipped links to folders that are read elsewhere: {quoted(tree.repeated)}"
    if tree.hidden:
        yield f"skipped hidden files and folders: {quoted(tree.hidden)}"
