"""Constants, and operators on constants alone."""

from __future__ import annotations

import numpy as np
import pytest

from converters.rewriting.constants import fold_constants, per_channel, value
from converters.rewriting.graph import Operator, Tensor, constant
from tests.converters.rewriting.graphs import RELU, activation, graph, larq_sign, names, scalar, step


def test_sign_of_a_kernel_is_folded() -> None:
    weights = constant(np.array([[0.5, -0.25, 0.0, -0.0]], np.float32))
    steps = larq_sign(weights)
    image = activation(1, 4)
    dense = step("FULLY_CONNECTED", image, steps[-1].output)
    made = graph(image, [*steps, dense])
    fold_constants(made)
    assert names(made) == ["FULLY_CONNECTED"]
    folded = value(dense.inputs[1])
    assert folded is not None
    assert folded.tolist() == [[1, -1, 1, 1]]


def test_transposed_and_reshaped_kernel_is_folded() -> None:
    weights = constant(np.arange(6, dtype=np.float32).reshape(2, 3))
    turned = step("TRANSPOSE", weights, constant(np.array([1, 0], np.int32)), like=activation(3, 2))
    shaped = step("RESHAPE", turned.output, constant(np.array([3, 1, 1, 2], np.int32)), like=activation(3, 1, 1, 2))
    made = graph(weights, [turned, shaped])
    fold_constants(made)
    folded = value(shaped.output)
    assert folded is not None
    assert folded[:, 0, 0].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_where_of_a_kernel_is_folded() -> None:
    weights = constant(np.array([-1, 0.2, 0.3], np.float32))
    compared = step("GREATER", weights, scalar(0.25))
    compared.output.type = "BOOL"
    selection = step("SELECT_V2", compared.output, scalar(1), scalar(-1), like=weights)
    made = graph(weights, [compared, selection])
    fold_constants(made)
    folded = value(selection.output)
    assert folded is not None
    assert folded.tolist() == [-1, -1, 1]


def test_operators_with_an_activation_and_unknown_ones_stay() -> None:
    two = constant(np.float32([1, 2]))
    made = graph(two, [step("ADD", two, two, fusedActivationFunction=RELU), step("COS", two)])
    fold_constants(made)
    assert names(made) == ["ADD", "COS"]


def test_result_that_is_not_of_the_output_s_shape_stays() -> None:
    two = constant(np.float32([1, 2]))
    made = graph(two, [step("ADD", two, two, like=activation(1, 2))])
    fold_constants(made)
    assert names(made) == ["ADD"]


def test_types_that_no_rewrite_reads_have_no_value() -> None:
    half = Tensor("", (2,), "FLOAT16", data=np.zeros(4, np.uint8))
    assert value(half) is None
    assert value(None) is None
    assert value(activation(2)) is None


@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1, 1)])
def test_one_number_is_one_for_each_channel(shape: tuple[int, ...]) -> None:
    assert np.array_equal(per_channel(constant(np.full(shape, 7, np.float32)), 3), [7, 7, 7])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 1, 3)])
def test_a_row_along_the_last_axis_is_one_number_for_each_channel(shape: tuple[int, ...]) -> None:
    numbers = constant(np.arange(3, dtype=np.float32).reshape(shape))
    assert np.array_equal(per_channel(numbers, 3), [0, 1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 1), (1, 3, 1, 1), (2, 3), (1, 1, 1, 1, 3), (4,)])
def test_other_shapes_are_not_one_number_for_each_channel(shape: tuple[int, ...]) -> None:
    assert per_channel(constant(np.zeros(shape, np.float32)), 3) is None


def test_integers_are_no_factor_of_a_channel() -> None:
    assert per_channel(constant(np.arange(3, dtype=np.int32)), 3) is None


def operator_without_inputs() -> Operator:
    return Operator("SIGN", [None], [activation(1)])


def test_operator_whose_input_is_left_out_stays() -> None:
    made = graph(activation(1), [operator_without_inputs()])
    fold_constants(made)
    assert names(made) == ["SIGN"]
