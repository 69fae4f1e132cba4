"""What an engine compiles, for tests of which operations do the work."""

from __future__ import annotations

from collections import Counter

from harness.saliency import GradientEngine


def operations(
    engine: GradientEngine, shape: tuple[int, ...], wanted: str = "input", *, layers: tuple[str, ...] = ()
) -> Counter[str]:
    """How often each operation is in the function for batches of this shape."""
    with engine.function(shape, layers, wanted) as function:
        return Counter(operation.type for operation in function.graph.get_operations())
