"""What follows a convolution: the folded form computes the same as the operators did."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.rewriting.constants import value
from converters.rewriting.epilogue import Epilogue, fold_epilogue
from converters.rewriting.graph import Graph, Operator
from tests.converters.rewriting.graphs import (
    NONE,
    RELU,
    RELU6,
    RELU_N1_TO_1,
    TANH,
    activation,
    constant,
    floats,
    graph,
    step,
)

CHANNELS = 3
APPLIED = {
    "": lambda x: x,
    "RELU": lambda x: np.maximum(x, 0),
    "RELU6": lambda x: np.clip(x, 0, 6),
    "RELU_N1_TO_1": lambda x: np.clip(x, -1, 1),
}
FUSED = {NONE: "", RELU: "RELU", RELU6: "RELU6", RELU_N1_TO_1: "RELU_N1_TO_1"}
ARITHMETIC = {"MUL": np.multiply, "DIV": np.divide, "ADD": np.add, "SUB": np.subtract}


def start(fused: int = NONE) -> Operator:
    return step("CONV_2D", activation(1, 2, 2, CHANNELS), fusedActivationFunction=fused)


def chained(*following: Operator, fused: int = NONE) -> tuple[Graph, Operator]:
    first = start(fused)
    operators = [first]
    for operator in following:
        operator.inputs = [operators[-1].output if tensor is None else tensor for tensor in operator.inputs]
        operators.append(operator)
    return graph(first.input(0), operators), first


def behind(name: str, *numbers: float, first: bool = True, fused: int = NONE) -> Operator:
    """Arithmetic of what flows in and constants, in either order; None stands for what flows."""
    operator = step(name, activation(1, 2, 2, CHANNELS), fusedActivationFunction=fused)
    operator.inputs = [None, floats(*numbers)] if first else [floats(*numbers), None]
    return operator


def alone(name: str) -> Operator:
    operator = step(name, activation(1, 2, 2, CHANNELS))
    operator.inputs = [None]
    return operator


def folded(*following: Operator, fused: int = NONE, multiplier: float = 1, may_fuse: bool = True) -> Epilogue:
    made, first = chained(*following, fused=fused)
    return fold_epilogue(
        made,
        first,
        multiplier=np.full(CHANNELS, multiplier, np.float32),
        bias=np.zeros(CHANNELS, np.float32),
        may_fuse=may_fuse,
    )


def computed(epilogue: Epilogue, sums: np.ndarray) -> np.ndarray:
    inner = APPLIED[epilogue.fused_activation](sums)
    return APPLIED[epilogue.activation_behind](inner * epilogue.multiplier + epilogue.bias)


def by_hand(operators: list[Operator], sums: np.ndarray) -> np.ndarray:
    for operator in operators:
        if operator.name in APPLIED:
            sums = APPLIED[operator.name](sums)
            continue
        operands = [sums if value(tensor) is None else value(tensor) for tensor in operator.inputs]
        sums = APPLIED[FUSED[operator.options.fusedActivationFunction]](ARITHMETIC[operator.name](*operands))
    return sums


OPERATORS = st.one_of(
    st.builds(alone, st.sampled_from(["RELU", "RELU6", "RELU_N1_TO_1"])),
    st.builds(
        lambda name, numbers, first, fused: behind(name, *numbers, first=first or name == "DIV", fused=fused),
        st.sampled_from(list(ARITHMETIC)),
        st.lists(st.sampled_from([-2.0, -1.0, -0.5, 0.25, 1.0, 3.0]), min_size=CHANNELS, max_size=CHANNELS),
        st.booleans(),
        st.sampled_from(list(FUSED)),
    ),
)


@settings(max_examples=500)
@given(following=st.lists(OPERATORS, max_size=5), fused=st.sampled_from(list(FUSED)), may_fuse=st.booleans())
def test_what_is_folded_computes_what_the_operators_computed(
    following: list[Operator], fused: int, may_fuse: bool
) -> None:
    epilogue = folded(*following, fused=fused, may_fuse=may_fuse)
    sums = np.arange(-9, 10).repeat(CHANNELS).reshape(-1, CHANNELS).astype(np.float32)
    expected = by_hand(epilogue.folded, APPLIED[FUSED[fused]](sums))
    np.testing.assert_allclose(computed(epilogue, sums), expected, rtol=1e-6, atol=1e-6)
    assert may_fuse or not epilogue.fused_activation


def test_batch_norm_is_taken_in() -> None:
    epilogue = folded(behind("MUL", 2, -3, 0), behind("ADD", 1, 1, 1))
    assert epilogue.multiplier.tolist() == [2, -3, 0]
    assert epilogue.bias.tolist() == [1, 1, 1]
    assert len(epilogue.folded) == 2


def test_relu_before_the_batch_norm_is_fused_and_the_batch_norm_taken_in() -> None:
    epilogue = folded(alone("RELU"), behind("MUL", 2, -3, 0))
    assert (epilogue.fused_activation, epilogue.activation_behind) == ("RELU", "")
    assert epilogue.multiplier.tolist() == [2, -3, 0]


def test_relu_behind_the_batch_norm_stays_and_ends_it() -> None:
    epilogue = folded(behind("ADD", 1, 1, 1), alone("RELU"), behind("MUL", 2, 2, 2))
    assert (epilogue.fused_activation, epilogue.activation_behind) == ("", "RELU")
    assert len(epilogue.folded) == 2


@pytest.mark.parametrize("factors", [(-2, -2, -2), (2, -3, 1), (0, 1, 1)])
def test_relu_behind_factors_that_are_not_all_positive_stays(factors: tuple[float, ...]) -> None:
    epilogue = folded(behind("MUL", *factors), alone("RELU"))
    assert (epilogue.fused_activation, epilogue.activation_behind) == ("", "RELU")


def test_relu6_is_fused_only_where_the_factor_is_one() -> None:
    assert folded(alone("RELU6")).fused_activation == "RELU6"
    assert folded(alone("RELU6"), multiplier=0.5).activation_behind == "RELU6"


@pytest.mark.parametrize("name", ["TANH", "LOGISTIC", "PRELU"])
def test_other_operators_end_it(name: str) -> None:
    assert folded(alone(name)).folded == []


def test_arithmetic_with_an_activation_that_lce_does_not_have_ends_it() -> None:
    assert folded(behind("MUL", 1, 2, 3, fused=TANH)).folded == []


def test_a_constant_divided_by_what_flows_ends_it() -> None:
    assert folded(behind("DIV", 1, 2, 3, first=False)).folded == []


def test_a_constant_of_the_image_s_size_ends_it() -> None:
    operator = alone("ADD")
    operator.inputs.append(constant(np.ones((1, 2, 2, CHANNELS), np.float32)))
    assert folded(operator).folded == []


def test_results_that_somebody_else_reads_end_it() -> None:
    made, first = chained(behind("MUL", 2, 2, 2))
    made.outputs.append(first.output)
    epilogue = fold_epilogue(
        made, first, multiplier=np.ones(CHANNELS, np.float32), bias=np.zeros(CHANNELS, np.float32), may_fuse=True
    )
    assert epilogue.folded == []
