"""Maps of tokens: what an attention model has instead of feature maps, laid out as the grid of patches they stand for.

Tokens (N, T, channels) are patches in rows, from left to right and from top to bottom, one more with a class token. The
grid is that of the last map before them, or, where a layer cuts the image into patches by itself, that of square
patches of which as many fit.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from harness.keras_packages import layers_of, operation_name
from harness.saliency.engine.graph import Graph, Step

ATTENTION = ("attention", "transformer")  # in the name of a class
MIXING = ("matmul", "einsum", "transpose", "dot", "permute")  # functions and layers that move values among tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMap:
    """A step whose output is tokens: the grid, and which of the tokens is the grid's first."""

    step: Step
    height: int
    width: int
    first: int

    @property
    def layout(self) -> str:
        """Such as "tokens after a class token"."""
        extra = int(self.step.shape[1] or 0) - self.height * self.width
        return "tokens" + (f" {'after' if self.first else 'before'} a class token" if extra else "")


def token_maps(graph: Graph, passed: Collection[str]) -> list[TokenMap]:
    """The steps whose outputs are tokens that can be laid out; none where the model does not mix them afterwards."""
    found: list[TokenMap] = []
    grid = _Grid(None, None)
    for step in graph.steps:
        if len(step.shape) == 3:
            grid = grid.after(step) if step.name in passed else grid
            made = grid.tokens(step)
            found += [made] if made else []
    names = [step.name for step in graph.steps]
    start = names.index(found[0].step.name) if found else 0
    return found if any(map(_mixes, graph.steps[start:])) else []


def tokens_that_count(maps: Sequence[TokenMap], graph: Graph, passed: Collection[str]) -> list[Step]:
    """Those that all paths pass and that say something: after the first attention, and, with a class token, before the
    last one, after which the model reads that token alone."""
    names = [step.name for step in graph.steps]
    start = min(names.index(token_map.step.name) for token_map in maps)
    mixing = [i for i, step in enumerate(graph.steps) if i >= start and _mixes(step)]
    end = mixing[-1] if any("class token" in token_map.layout for token_map in maps) else len(names)
    steps = [token_map.step for token_map in maps if token_map.step.name in passed]
    return [step for step in steps if mixing[0] <= names.index(step.name) < end]


@dataclass(frozen=True, slots=True)
class _Grid:
    height: int | None
    width: int | None
    class_token_last: bool = False

    def after(self, step: Step) -> _Grid:
        """The grid of the tokens that a step makes."""
        given = step.input_shapes
        whole = next((shape for shape in given if len(shape) == 4), None)
        if whole is not None:
            return _Grid(whole[1], whole[2])._cut(step)
        counts = [shape[1] if len(shape) == 3 else None for shape in given]
        last = counts == [self.pixels, 1] and step.shape[1] == self.pixels + 1
        return replace(self, class_token_last=True) if last else self

    def _cut(self, step: Step) -> _Grid:
        """The grid of square patches that a step cut; this one where it kept the pixels, and none where none fits."""
        count = step.shape[1]
        if not (self.height and self.width and count) or count in (self.pixels, self.pixels + 1):
            return self
        reshaped = "reshape" in (operation_name(step.layer) or type(step.layer).__name__).lower()
        for tokens in () if reshaped else (count, count - 1):  # a reshape makes rows of pixels, not patches
            side = math.isqrt(self.pixels // tokens) if tokens > 1 else 0
            if side and side * side * tokens == self.pixels and self.height % side == self.width % side == 0:
                return _Grid(self.height // side, self.width // side)
        return _Grid(None, None)

    @property
    def pixels(self) -> int:
        return (self.height or 0) * (self.width or 0)

    def tokens(self, step: Step) -> TokenMap | None:
        """The step's output on this grid, if it fits and is larger than one pixel."""
        count = step.shape[1]
        if not (self.height and self.width) or self.pixels < 2 or count not in (self.pixels, self.pixels + 1):
            return None
        first = int(count) - self.pixels if not self.class_token_last else 0
        return TokenMap(step=step, height=self.height, width=self.width, first=first)


def is_attention(step: Step) -> bool:
    """Whether a layer is an attention, or has one inside, as far as names tell."""
    parts = (type(part).__name__.lower() for part in (step.layer, *layers_of(step.layer)))
    return any(word in name for name in parts for word in ATTENTION)


def _mixes(step: Step) -> bool:
    """Whether a step lets tokens see each other, as far as names tell."""
    name = (operation_name(step.layer) or type(step.layer).__name__).lower()
    return is_attention(step) or (len(step.shape) > 2 and name in MIXING)
