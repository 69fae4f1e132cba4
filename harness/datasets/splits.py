"""Which images judge and which calibrate: as the names of splits say, and never a training image as a judge."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import ConfigError

NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
KNOWN = "train or training; val, valid, validation or dev; test or testing"
HELD_OUT = 10  # where no split calibrates, one image in ten of those that would judge is set aside for it

_WORDS = "train|training|test|testing|val|valid|validation|dev|eval|evaluation|holdout|fold|split"
_LOOKS_LIKE_ONE = re.compile(rf"(?<![a-z])({_WORDS})(set|data|image|img|split)?s?(?![a-z])")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What each split of a data set has, and what is said of it."""

    splits: dict[str, list[str]]  # "train" calibrates, "test" judges
    remarks: tuple[str, ...]


def split_of(name: str) -> str | None:
    """ "train", "val" or "test" for any name that one of them goes by, in any case."""
    return NAMES.get(name.strip().casefold())


def looks_like_a_split(name: str) -> bool:
    """Such as training_set, seg_test, val2017 or fold1: nobody knows whether it is a class."""
    return bool(_LOOKS_LIKE_ONE.search(_CAMEL.sub("_", name).casefold()))


def split_names(names: Sequence[str], *, where: str) -> dict[str, str]:
    """The names among these that are those of splits, by split. Raises ConfigError for two names of one split."""
    found: dict[str, str] = {}
    for name in names:
        split = split_of(name)
        if split is None:
            continue
        if split in found:
            raise ConfigError(
                f'{where}: "{found[split]}" and "{name}" are two names of one split', hint="one of the two names"
            )
        found[split] = name
    return found


def divide(images: Mapping[str, Sequence[str]], *, called: Mapping[str, str], where: str) -> Division:
    """Of images by split ("train", "val", "test", or "" for all of a data set without splits) those of each use.

    called  the names of the splits in the data set.    Raises ConfigError where no split is to judge.
    """
    present = {split: list(names) for split, names in images.items() if names}
    judging = next((split for split in ("test", "val", "") if split in present), None)
    if judging is None:
        raise ConfigError(
            f'{where}: expected images that judge, got the split "{called.get("train", "train")}" alone',
            hint="a split called test or val beside it; without splits, one image in ten is set aside to calibrate",
        )
    calibrating = next((split for split in ("train", "val") if split in present and split != judging), None)
    if calibrating is None:
        return _held_out(present[judging], what=called.get(judging, ""))
    remarks = [f'"{called["val"]}" judges, there is no split called test'] if judging == "val" else []
    if calibrating == "val":
        remarks.append(f'"{called["val"]}" calibrates, there is no split called train')
    remarks += [
        f'"{called[split]}" judges and calibrates nothing: its {len(names):,} images are not used'
        for split, names in present.items()
        if split not in (judging, calibrating)
    ]
    return Division(splits={"train": present[calibrating], "test": present[judging]}, remarks=tuple(remarks))


def hash_of(name: str) -> str:
    """By which images are ordered and drawn: a leading part of them is a fair draw from all classes."""
    return hashlib.sha256(name.encode()).hexdigest()


def _held_out(images: list[str], *, what: str) -> Division:
    held_out = {name: int(hash_of(name), 16) % HELD_OUT == 0 for name in images}
    splits = {split: [name for name in images if held_out[name] is (split == "train")] for split in ("train", "test")}
    seen = f'"{what}" is the only split' if what else "there are no folders train and test"
    remark = (
        f"{seen}: {len(splits['train']):,} of {len(images):,} images, one in {HELD_OUT}, are set aside to calibrate, "
        "the others judge"
    )
    return Division(splits=splits, remarks=(remark,))
