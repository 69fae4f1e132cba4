"""What rounds to few values: Larq's quantizers, asked about without importing Larq where nobody did."""

from __future__ import annotations

from typing import Any

from harness.keras_packages import import_larq, imported_larq


def is_quantizer(function: Any) -> bool:
    """Whether a callable rounds to few values; Larq's NoOp quantizers only carry a label."""
    larq = imported_larq()
    if larq is None:
        return False
    return isinstance(function, larq.quantizers.Quantizer) and not isinstance(function, larq.quantizers.NoOp)


def is_sign_quantizer(function: Any) -> bool:
    """Whether a callable is one of Larq's whose forward pass is sign(), with +1 at 0."""
    if not is_quantizer(function):
        return False
    quantizers = import_larq().quantizers
    return isinstance(function, (quantizers.SteSign, quantizers.ApproxSign, quantizers.SwishSign))
