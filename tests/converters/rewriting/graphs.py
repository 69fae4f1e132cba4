"""Graphs written by hand, for tests of one rewrite."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from converters.rewriting.graph import Graph, Operator, Tensor, constant

NONE, RELU, RELU_N1_TO_1, RELU6, TANH = 0, 1, 2, 3, 4
SAME, VALID = 0, 1


def activation(*shape: int, type: str = "FLOAT32", name: str = "") -> Tensor:
    return Tensor(name=name, shape=shape, type=type)


def floats(*values: float) -> Tensor:
    return constant(np.array(values, np.float32))


def scalar(number: float) -> Tensor:
    return constant(np.array(number, np.float32))


def graph(image: Tensor, operators: list[Operator], *outputs: Tensor) -> Graph:
    return Graph(name=b"main", operators=operators, inputs=[image], outputs=list(outputs or [operators[-1].output]))


def step(name: str, *inputs: Tensor, like: Tensor | None = None, **options: Any) -> Operator:
    """An operator whose output looks like its first input, or like another tensor."""
    model = like or inputs[0]
    output = Tensor(name=name.lower(), shape=model.shape, type=model.type)
    return Operator(
        name, list(inputs), [output], options=SimpleNamespace(**{"fusedActivationFunction": NONE, **options})
    )


def larq_sign(image: Tensor) -> list[Operator]:
    """sign(sign(x) + 0.1), as larq writes it."""
    inner = step("SIGN", image)
    shifted = step("ADD", inner.output, scalar(0.1))
    return [inner, shifted, step("SIGN", shifted.output)]


def convolution(image: Tensor, weights: np.ndarray, *, padding: int = VALID, activation: int = NONE) -> Operator:
    """CONV_2D with stride 1; its output has the size of a VALID or SAME one."""
    batch, height, width, _ = image.shape
    outputs, kernel_height, kernel_width, _ = weights.shape
    lost = (0, 0) if padding == SAME else (kernel_height - 1, kernel_width - 1)
    output = Tensor("conv", (batch, height - lost[0], width - lost[1], outputs), "FLOAT32")
    options = SimpleNamespace(
        padding=padding, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=activation
    )
    bias = constant(np.zeros(outputs, np.float32))
    return Operator("CONV_2D", [image, constant(weights), bias], [output], options=options)


def signs(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.choice(np.array([-1, 1], np.float32), shape)


def names(graph: Graph) -> list[str]:
    return [operator.name for operator in graph.operators]
