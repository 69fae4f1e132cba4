"""The gradient engine: attributions of a float Keras model, and the maps made of them.

It does not know data sets, artifacts, devices, the quality of a map or the store. The run calls `compute`; as a library
of its own it is `explain`. Importing this package imports no TensorFlow: `METHODS` can be listed without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.maps import saliency_map
from harness.parameters import Parameter
from harness.saliency.attribution import Attribution
from harness.saliency.methods.method_table import METHODS, method_spec, parameters_of
from harness.saliency.methods.spec import MethodSpec

if TYPE_CHECKING:
    from harness.saliency.api import compute, compute_forward, compute_many, explain
    from harness.saliency.engine.engine import GradientEngine
    from harness.saliency.engine.layers import list_layers

__all__ = [
    "METHODS",
    "Attribution",
    "GradientEngine",
    "MethodSpec",
    "Parameter",
    "compute",
    "compute_forward",
    "compute_many",
    "explain",
    "list_layers",
    "method_spec",
    "parameters_of",
    "saliency_map",
]

_LAZY = {
    "compute": "api",
    "compute_forward": "api",
    "compute_many": "api",
    "GradientEngine": "engine.engine",
    "explain": "api",
    "list_layers": "engine.layers",
}


def __getattr__(name: str) -> Any:
    """Import what needs TensorFlow on first use."""
    import importlib

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
