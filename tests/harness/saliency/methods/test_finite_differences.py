"""Finite differences on a grid: closed forms of linear models, the gradient as a peer, and inputs that round."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import ConfigError
from harness.saliency import GradientEngine, compute, compute_forward
from harness.saliency.methods.scorer import FunctionScorer
from tests import oracles

WEIGHTS = np.random.default_rng(0).normal(size=(8, 6, 2, 3)).astype(np.float32)
IMAGES = np.random.default_rng(1).normal(size=(3, 8, 6, 2)).astype(np.float32)
TARGETS = [2, 0, 1]
STEP = 1 / 128  # of a quantized input


def linear(images: np.ndarray) -> np.ndarray:
    return np.einsum("nhwc,hwck->nk", images, WEIGHTS)


def rounded(images: np.ndarray) -> np.ndarray:
    """256 steps from -1 to 1, as an int8 input has them; what is beyond is clipped."""
    return (np.clip(np.floor(images / STEP + 0.5), -128, 127) * STEP).astype(np.float32)


def of_linear(image: np.ndarray, *, scorer: FunctionScorer | None = None, **parameters: float) -> np.ndarray:
    scorer = scorer or FunctionScorer(linear)
    return compute_forward(scorer, "finite_differences", image, TARGETS[: len(image)], parameters=parameters).values[
        ..., 0
    ]


def closed_form(rows: list[slice], columns: list[slice], target: int) -> np.ndarray:
    return np.array([[WEIGHTS[y, x, :, target].mean() for x in columns] for y in rows])


def test_on_a_linear_model_a_cell_is_the_mean_of_its_weights() -> None:
    maps = of_linear(IMAGES, grid=2)
    halves = [slice(0, 4), slice(4, 8)], [slice(0, 3), slice(3, 6)]
    expected = np.stack([closed_form(*halves, target) for target in TARGETS])
    np.testing.assert_allclose(maps, expected, atol=1e-5)


def test_sides_that_the_grid_does_not_divide_have_cells_that_differ_by_a_pixel() -> None:
    maps = of_linear(IMAGES[:1], grid=4)
    rows = [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)]
    columns = [slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 6)]
    np.testing.assert_allclose(maps[0], closed_form(rows, columns, TARGETS[0]), atol=1e-5)


def test_a_grid_finer_than_the_image_has_a_cell_for_each_pixel() -> None:
    maps = of_linear(IMAGES[:1], grid=64)
    np.testing.assert_allclose(maps[0], WEIGHTS[..., TARGETS[0]].mean(axis=2), atol=1e-4)


@given(step=st.floats(0.01, 1.0), shift=st.floats(-5, 5))
@settings(max_examples=25, deadline=None)
def test_a_linear_model_has_the_same_map_for_every_step_and_image(step: float, shift: float) -> None:
    np.testing.assert_allclose(
        of_linear(IMAGES[:1] + np.float32(shift), grid=2, step=step), of_linear(IMAGES[:1], grid=2), atol=1e-3
    )


def test_with_a_small_step_a_cell_is_the_mean_of_the_gradient_in_it() -> None:
    engine = GradientEngine(oracles.linear_model(WEIGHTS / 8, head="softmax"))
    gradient = compute(engine, "gradient", IMAGES, TARGETS).values.mean(axis=3)
    cells = gradient.reshape(3, 2, 4, 2, 3).mean(axis=(2, 4))
    maps = compute(
        engine,
        "finite_differences",
        IMAGES,
        TARGETS,
        parameters={"grid": 2, "step": 0.01, "output": "logit"},
    ).values[..., 0]
    np.testing.assert_allclose(maps, cells, atol=1e-4)


def test_white_that_cannot_go_up_halves_no_gradient() -> None:
    """The left half is as bright as a quantized input can be; its cells have the slope that they have elsewhere."""
    image = np.full((1, 8, 6, 2), 127 * STEP, np.float32)
    image[:, :, 3:] = -0.5
    scorer = FunctionScorer(lambda images: linear(rounded(images)), rounding=rounded)
    expected = closed_form([slice(0, 4), slice(4, 8)], [slice(0, 3), slice(3, 6)], TARGETS[0])
    np.testing.assert_allclose(of_linear(image, scorer=scorer, grid=2)[0], expected, atol=1e-5)


def test_a_step_that_the_input_rounds_away_is_refused() -> None:
    scorer = FunctionScorer(lambda images: linear(rounded(images)), rounding=rounded)
    image = rounded(np.clip(IMAGES[:1], -1, 1))
    with pytest.raises(ConfigError, match=r"^step: 0\.001 of an image's range is less than a step of the model's"):
        of_linear(image, scorer=scorer, grid=2, step=0.001)


def test_a_plain_image_has_a_blank_map() -> None:
    attribution = compute_forward(linear, "finite_differences", np.ones((1, 8, 6, 2)), [0])
    assert attribution.causes == ("constant",)
