"""One row of the table: a flatbuffer, what is in it by hand count, and whether stock runtimes can time it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

BOTH = ("ai-edge-litert", "tflite-runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """macs, unknown, parameters: as `converters.contents` gives them, kinds of arithmetic that are 0 left out.

    parameters  None where what a converter folds is not worth a hand count.
    operators   some that must be there, with their count.
    timed_by    the stock runtimes that run it; what the others say holds `reason`. None where nobody should try.
    shapes      of inputs with free axes, for the runtimes; "" is the only input's.
    """

    build: Callable[[], bytes]
    macs: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    parameters: int | None = 0
    operators: dict[str, int] = field(default_factory=dict)
    timed_by: tuple[str, ...] | None = BOTH
    reason: str = ""
    slow: bool = False
    shapes: dict[str, list[int]] = field(default_factory=dict)
