"""What is a sign and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest

from converters.rewriting.graph import Operator, Tensor, constant
from converters.rewriting.signs import Sign, dequantize_signs, quantized, sign_of
from tests.converters.rewriting.graphs import RELU, activation, floats, graph, larq_sign, names, scalar, step

IMAGE = activation(1, 4, 4, 8, name="image")


def condition(name: str, limit: float) -> Operator:
    compared = step(name, IMAGE, scalar(limit))
    compared.output.type = "BOOL"
    return compared


def selected(compared: Operator, if_true: float, if_false: float) -> list[Operator]:
    return [compared, step("SELECT_V2", compared.output, scalar(if_true), scalar(if_false), like=IMAGE)]


def sign(operators: list[Operator]) -> Sign | None:
    return sign_of(graph(IMAGE, operators), operators[-1].output)


def test_larq_s_sign_is_one_of_what_it_takes() -> None:
    assert sign(larq_sign(IMAGE)) == Sign(IMAGE)


@pytest.mark.parametrize("shift", [0.0, 1.0, -0.1])
def test_a_shift_that_leaves_zeros_or_turns_signs_is_none(shift: float) -> None:
    inner = step("SIGN", IMAGE)
    shifted = step("ADD", inner.output, scalar(shift))
    assert sign([inner, shifted, step("SIGN", shifted.output)]) is None


def test_sign_that_is_zero_at_zero_is_none() -> None:
    assert sign([step("SIGN", IMAGE)]) is None


def test_shift_with_an_activation_is_none() -> None:
    inner = step("SIGN", IMAGE)
    shifted = step("ADD", inner.output, scalar(0.1), fusedActivationFunction=RELU)
    assert sign([inner, shifted, step("SIGN", shifted.output)]) is None


def test_where_is_the_sign_of_its_condition() -> None:
    compared = condition("GREATER", 0.0)  # where(0 > 0) is -1, which no float sign is
    assert sign(selected(compared, 1, -1)) == Sign(compared.output)


def test_where_the_other_way_round_is_negated() -> None:
    compared = condition("LESS", 0.25)
    assert sign(selected(compared, -1, 1)) == Sign(compared.output, negated=True)


def test_where_at_least_zero_and_where_below_zero_are_the_float_sign() -> None:
    assert sign(selected(condition("GREATER_EQUAL", 0.0), 1, -1)) == Sign(IMAGE)
    assert sign(selected(condition("LESS", 0.0), -1, 1)) == Sign(IMAGE)


@pytest.mark.parametrize(("if_true", "if_false"), [(1, 0), (1, 1), (2, -2)])
def test_where_of_other_numbers_is_none(if_true: float, if_false: float) -> None:
    assert sign(selected(condition("GREATER", 0.5), if_true, if_false)) is None


def test_where_that_broadcasts_its_condition_is_none() -> None:
    row = activation(1, 1, 1, 8, type="BOOL")
    selection = step("SELECT_V2", row, scalar(1), scalar(-1), like=IMAGE)
    assert sign_of(graph(row, [selection]), selection.output) is None


def pads() -> Tensor:
    return constant(np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))


@pytest.mark.parametrize(("padded_with", "is_sign"), [(1, True), (-1, True), (0, False), (0.5, False)])
def test_padded_signs_are_signs_if_signs_are_padded(padded_with: float, is_sign: bool) -> None:
    steps = larq_sign(IMAGE)
    steps.append(step("PADV2", steps[-1].output, pads(), scalar(padded_with)))
    assert sign(steps) == (Sign(steps[-1].output) if is_sign else None)


def test_signs_that_are_moved_about_are_signs_of_themselves() -> None:
    steps = larq_sign(IMAGE)
    together = step("CONCATENATION", steps[-1].output, steps[-1].output)
    assert sign([*steps, together]) == Sign(together.output)


def test_signs_beside_floats_are_none() -> None:
    steps = larq_sign(IMAGE)
    assert sign([*steps, step("CONCATENATION", steps[-1].output, IMAGE)]) is None


def test_pool_with_an_activation_is_none() -> None:
    steps = larq_sign(IMAGE)
    assert sign([*steps, step("MAX_POOL_2D", steps[-1].output, fusedActivationFunction=RELU)]) is None


def test_bits_are_computed_once_and_as_early_as_possible() -> None:
    steps = larq_sign(IMAGE)
    made = graph(IMAGE, steps)
    first, second = quantized(made, Sign(IMAGE)), quantized(made, Sign(IMAGE))
    assert first is second
    assert first.shape == (1, 4, 4, 1)
    assert names(made) == ["LceQuantize", "SIGN", "ADD", "SIGN"]


def test_negated_condition_is_inverted_once() -> None:
    compared = condition("LESS", 0.25)
    made = graph(IMAGE, selected(compared, -1, 1))
    negated = Sign(compared.output, negated=True)
    assert quantized(made, negated) is quantized(made, negated)
    assert names(made) == ["LESS", "LOGICAL_NOT", "LceQuantize", "SELECT_V2"]


def test_sign_for_floats_becomes_bits_and_back() -> None:
    made = graph(IMAGE, [*larq_sign(IMAGE), step("MUL", activation(1), floats(2))])
    made.operators[-1].inputs[0] = made.operators[2].output
    made = graph(IMAGE, made.operators)
    dequantize_signs(made)
    assert names(made) == ["LceQuantize", "LceDequantize", "MUL"]
