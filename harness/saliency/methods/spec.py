"""What the table says of a method."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.parameters import Parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """Facts of a method that can be read without loading it. Costs are passes per image, in terms of its parameters."""

    load: str
    paper: str
    about: str
    signed: bool
    forward_passes: str
    backward_passes: str
    channels: str = "max_abs"  # usual way to reduce channels, see maps.CHANNELS; "" if the method gives (N, h, w)
    needs: tuple[str, ...] = ()  # one pass: of "input" (gradient), "layer" (features and gradients); else ()
    relu: str = "own"  # backward rule of the model's ReLUs that the method asks for: "own" or "guided"
    randomised: bool = False
    caveat: str = ""  # what a reader of its maps must be told
    parameters: tuple[Parameter, ...] = ()

    @property
    def one_pass(self) -> bool:
        return bool(self.needs)

    @property
    def takes_gradients(self) -> bool:
        return self.backward_passes != "0"

    @property
    def forward_only(self) -> bool:
        """Whether scores are all that the method asks of a model: neither gradients nor features."""
        return not self.takes_gradients and all(parameter.name != "layer" for parameter in self.parameters)

    def function(self) -> Callable[..., Any]:
        """Import the method; only now is anything heavy loaded."""
        module, name = self.load.split(":")
        return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
