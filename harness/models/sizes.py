"""Are the numbers and names in a description of a model those of a model? One line can ask for terabytes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from harness.models.configurations import parts_of
from harness.models.refusals import Unreadable, words

MOST = 2**24  # of anything: 16 million units, steps or pixels
MOST_NUMBERS = 2**28  # in a tensor of one shape: 1 GiB of float32; an image of 8192 x 8192 in colour has fewer
_ANY = ("seed", "shared_object_id")  # parts of keys whose numbers mean no size
MOST_LETTERS = 1000  # of a name


def check_sizes(config: Any) -> None:
    """Raises Unreadable where a layer is larger than any layer is, or is called what no terminal should show."""
    for part, layer in parts_of(config):
        where = f' in layer "{words(layer)}"' if layer else ""
        name = part.get("name")
        if isinstance(name, str) and (len(name) > MOST_LETTERS or not (name.isprintable() or name.isspace())):
            raise Unreadable(f'a name in it is not a valid name: "{words(name)}"')
        for key, value in part.items():
            if not any(word in key for word in _ANY) and any(abs(number) > MOST for number in _integers(value)):
                raise Unreadable(f"its {words(key)}{where} is larger than {MOST}")
            if "shape" in key and isinstance(value, list) and math.prod(_sizes(value)) > MOST_NUMBERS:
                raise Unreadable(f"its {words(key)}{where} is of more than {MOST_NUMBERS} numbers")


def _integers(value: Any) -> Iterator[int]:
    """Those that stand here, and not in a dictionary inside."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, int):
            yield value
        elif isinstance(value, list):
            waiting += value


def _sizes(shape: list[Any]) -> Iterator[int]:
    return (size for size in shape if isinstance(size, int) and size > 0)
