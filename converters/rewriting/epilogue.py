"""What stands behind a binary convolution and becomes part of it: activation(dot) * multiplier + bias, by channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converters.rewriting.constants import per_channel
from converters.rewriting.graph import Graph, Operator, Tensor

NO_ACTIVATION = ""
ACTIVATIONS = {NO_ACTIVATION: 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}  # LCE's numbers
_FUSED_IN_BUILTINS = {0: NO_ACTIVATION, 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}  # the schema's
_ARITHMETIC = ("MUL", "DIV", "ADD", "SUB")
Channels = NDArray[np.float32]


@dataclass(slots=True, kw_only=True)
class Epilogue:
    """`folded` operators, in order; `output` is what the last of them writes.

    fused_activation   applied to the integer sums, before multiplier and bias.
    activation_behind  applied after them, by an operator of its own.
    """

    multiplier: Channels
    bias: Channels
    output: Tensor
    folded: list[Operator]
    fused_activation: str = NO_ACTIVATION
    activation_behind: str = NO_ACTIVATION


def fold_epilogue(
    graph: Graph, operator: Operator, *, multiplier: Channels, bias: Channels, may_fuse: bool
) -> Epilogue:
    """Take in what follows the convolution, for as long as nobody else reads what is in between.

    Rule: constants of the channels always; an activation only where nothing but a positive factor came before it, since
    LCE applies it to the integers: max(0, m * dot) is m * max(0, dot), and for the other two the factor must be 1.
    may_fuse  whether LCE can fuse an activation at all: not with zero padding.
    """
    epilogue = Epilogue(multiplier=multiplier, bias=bias, output=operator.output, folded=[])
    epilogue.activation_behind = activation_in(operator) or NO_ACTIVATION
    while _fuse(epilogue, may_fuse):
        follower = graph.only_reader(epilogue.output)
        if follower is None or not _take_in(epilogue, follower):
            break
        epilogue.folded.append(follower)
        epilogue.output = follower.output
    return epilogue


def activation_in(operator: Operator) -> str | None:
    """The activation that a builtin operator applies to its result; None for one that LCE does not have."""
    return _FUSED_IN_BUILTINS.get(getattr(operator.options, "fusedActivationFunction", 0))


def _fuse(epilogue: Epilogue, may_fuse: bool) -> bool:
    """Fuse the activation that stands behind; False if it cannot be and so ends what is taken in."""
    activation = epilogue.activation_behind
    if activation == NO_ACTIVATION:
        return True
    first = may_fuse and epilogue.fused_activation == NO_ACTIVATION and not epilogue.bias.any()
    factor = epilogue.multiplier
    if first and (np.all(factor == 1) or (activation == "RELU" and np.all(factor > 0))):
        epilogue.fused_activation, epilogue.activation_behind = activation, NO_ACTIVATION
        return True
    return False


def _take_in(epilogue: Epilogue, follower: Operator) -> bool:
    """An activation, or arithmetic with a constant of the channels."""
    if follower.name in ACTIVATIONS:
        epilogue.activation_behind = follower.name
        return True
    if follower.name not in _ARITHMETIC:
        return False
    flows_first = follower.inputs[0] is epilogue.output
    numbers = per_channel(follower.inputs[1 if flows_first else 0], len(epilogue.bias))
    activation = activation_in(follower)
    if numbers is None or activation is None or (follower.name == "DIV" and not flows_first):
        return False
    epilogue.multiplier, epilogue.bias = _arithmetic(epilogue, follower.name, numbers, flows_first)
    epilogue.activation_behind = activation
    return True


def _arithmetic(epilogue: Epilogue, name: str, numbers: Channels, flows_first: bool) -> tuple[Channels, Channels]:
    multiplier, bias = epilogue.multiplier, epilogue.bias
    if name == "MUL":
        return multiplier * numbers, bias * numbers
    if name == "DIV":
        return multiplier / numbers, bias / numbers
    if name == "ADD":
        return multiplier, bias + numbers
    return (multiplier, bias - numbers) if flows_first else (-multiplier, numbers - bias)
