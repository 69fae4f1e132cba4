"""What a model file says of itself, whatever kind of file it is."""

from __future__ import annotations

from dataclasses import dataclass

from harness.models.declared import DEFAULT, NONE, NORMALIZATIONS, Declared, Normalization
from harness.models.own_preprocessing import OwnPreprocessing

BY_DEFAULT = "by default, which no file says"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """How pixels become the input where nobody says it; `why` ends a sentence "input = ... "."""

    normalization: Normalization
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is taken where nothing was declared.

    own     what the model does to pixels by itself.
    names   of its classes; empty where the file has none.
    kind    of its outputs, as in `harness.outputs`; "" where only their values can tell.
    remark  what else a person should know; "" for nothing.
    """

    family: str
    own: OwnPreprocessing
    proposed: Proposal
    names: tuple[str, ...] = ()
    kind: str = ""
    remark: str = ""


def by_own_preprocessing(declared: Declared, own: OwnPreprocessing) -> Proposal:
    """By what a model does by itself: nothing beside that, and the default where it does nothing."""
    if own.scales and declared.mean is None and declared.scale is None:
        return Proposal(normalization=NORMALIZATIONS[NONE], why="since it does so itself")
    why = "since it does so itself" if own.scales else BY_DEFAULT
    return Proposal(normalization=NORMALIZATIONS[DEFAULT], why=why)
