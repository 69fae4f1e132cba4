"""What an engine compiles, for tests of which operations do the work."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from harness.saliency import GradientEngine


def operations(
    engine: GradientEngine, shape: tuple[int, ...], wanted: str = "input", *, layers: tuple[str, ...] = ()
) -> Counter[str]:
    """How often each operation is in the function for batches of this shape."""
    with engine.function(shape, layers, wanted) as function:
        return Counter(operation.type for operation in function.graph.get_operations())


def needed(function: Any) -> list[Any]:
    """The operations of a function that its outputs depend on. What else was traced never runs."""
    left, found = [output.op for output in function.graph.outputs], {}
    while left:
        operation = left.pop()
        if operation.name not in found:
            found[operation.name] = operation
            left += [given.op for given in operation.inputs]
    return list(found.values())


def assert_plain(model: Any, images: np.ndarray, targets: np.ndarray, layers: tuple[str, ...] = ()) -> None:
    """The rewritten graph has the plain one's values bit for bit, and its gradients but for rounding."""
    actual, expected = (
        GradientEngine(model, fast=way).backward(images, targets, layers=layers) for way in (True, False)
    )
    np.testing.assert_array_equal(actual.logits, expected.logits)
    pairs = [(actual.input_gradient, expected.input_gradient)]
    pairs += [(actual.gradients[name], expected.gradients[name]) for name in layers]
    for gradient, wanted in pairs:
        assert wanted.any()
        np.testing.assert_allclose(gradient, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    for name in layers:
        np.testing.assert_array_equal(actual.features[name], expected.features[name])
