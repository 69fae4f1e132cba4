"""Which operators the runtimes have kernels for, in which versions: `kernels.json`, asked of the runtimes themselves.

`python -m tests.converters.make_kernels` writes it. Delegates, ours included, bring operators on top.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from converters.inspection.parts import File, Operator

# Other people's operators that stand for a part of the model that was compiled for an accelerator.
COMPILED = {"edgetpu-custom-op": "the Edge TPU's delegate", "DISPATCH_OP": "LiteRT's dispatch to an accelerator"}


@cache
def table() -> dict[str, Any]:
    """{runtime: {"version", "builtin": {name: newest version}, "custom": [names]}}"""
    made: dict[str, Any] = json.loads((Path(__file__).parent / "kernels.json").read_text())
    return made


def lacking(file: File) -> dict[str, tuple[str, ...]]:
    """The operators of any of its graphs that each runtime of the table has no kernel for, or not in their version."""
    operators = [operator for graph in file.graphs for operator in graph.operators]
    return {runtime: tuple(dict.fromkeys(_lacks(has, operators))) for runtime, has in table().items()}


def _lacks(has: dict[str, Any], operators: list[Operator]) -> Iterator[str]:
    for operator in operators:
        if operator.custom:
            if operator.name not in has["custom"]:
                yield operator.name
        elif operator.version > has["builtin"].get(operator.name, 0):
            yield (
                operator.name if operator.name not in has["builtin"] else f"{operator.name} version {operator.version}"
            )
