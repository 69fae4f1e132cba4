"""Each design of the ablation family differs from the twins in what its name says, and in nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.models.designs import DESIGNS, Design
from harness.models.twins import build_design

CONVOLUTIONS = ["stage1_1", "stage1_2", "stage2_1", "stage2_2", "stage2_3"]
CONVOLUTION_WEIGHTS = 9 * (64 * 64 * 2 + 64 * 128 + 128 * 128 * 2)
STEM_AND_CLASSIFIER = 9 * 3 * 64 + 4 * 64 + 128 * 20 + 20


def built(name: str) -> Any:
    return build_design(DESIGNS[name], image_size=64, classes=20, name="design")


def binarized(model: Any, what: str) -> list[str]:
    """The layers with a quantizer of their inputs or kernels."""
    return [layer.name for layer in model.layers if getattr(layer, f"{what}_quantizer", None) is not None]


@pytest.mark.parametrize(
    ("name", "kernels", "inputs"),
    [
        ("float", [], []),
        ("binary", CONVOLUTIONS, CONVOLUTIONS),
        ("weights-only", CONVOLUTIONS, []),
        ("activations-only", [], CONVOLUTIONS),
        ("first-blocks", CONVOLUTIONS[:2], CONVOLUTIONS[:2]),
        ("last-blocks", CONVOLUTIONS[2:], CONVOLUTIONS[2:]),
        ("no-shortcut", CONVOLUTIONS, CONVOLUTIONS),
        ("float-no-relu", [], []),
    ],
)
def test_a_design_binarizes_what_its_name_says(name: str, kernels: list[str], inputs: list[str]) -> None:
    model = built(name)
    assert binarized(model, "kernel") == kernels
    assert binarized(model, "input") == inputs
    clipped = [layer.name for layer in model.layers if getattr(layer, "kernel_constraint", None) is not None]
    assert clipped == kernels


@pytest.mark.parametrize("name", DESIGNS)
def test_designs_have_the_maps_of_the_twins_and_as_many_parameters(name: str) -> None:
    model = built(name)
    shapes = {layer.name: layer.output_shape[1:] for layer in model.layers}
    assert [shapes[convolution] for convolution in CONVOLUTIONS] == [(16, 16, 64)] * 2 + [(8, 8, 128)] * 3
    norms = 4 * (64 * 3 + 128 * 2) if DESIGNS[name].norm_first else 4 * (64 * 2 + 128 * 3)  # the halving one sees 64
    assert model.count_params() == STEM_AND_CLASSIFIER + CONVOLUTION_WEIGHTS + norms


@pytest.mark.parametrize(
    ("name", "gone"), [("no-shortcut", ("_add", "_shrink", "_widen")), ("no-relu", ("_relu",)), ("norm-first", ())]
)
@pytest.mark.parametrize("family", ["", "float-"])
def test_a_part_that_is_left_out_is_missing_from_every_block_and_nothing_else(
    family: str, name: str, gone: tuple[str, ...]
) -> None:
    usual = [layer.name for layer in built("binary").layers]
    left = [layer for layer in usual if not (layer.startswith("stage") and layer.endswith(gone))] if gone else usual
    assert sorted(layer.name for layer in built(family + name).layers) == sorted(left)


@pytest.mark.parametrize(("name", "before"), [("norm-first", "stage1_1_norm"), ("binary", "stem_pool")])
def test_the_norm_stands_before_the_sign_where_the_design_says_so(name: str, before: str) -> None:
    convolution = built(name).get_layer("stage1_1")
    assert convolution.inbound_nodes[0].inbound_layers.name == before


@pytest.mark.parametrize("name", ["scaled", "binary"])
def test_scaled_kernels_keep_the_mean_magnitude_of_each_filter(name: str) -> None:
    import larq
    import tensorflow as tf

    layer = built(name).get_layer("stage1_1")
    kernel = tf.constant(np.random.default_rng(0).uniform(-0.5, 0.5, layer.kernel.shape).astype(np.float32))
    magnitudes = np.abs(layer.kernel_quantizer(kernel).numpy())
    expected = np.abs(kernel).mean(axis=(0, 1, 2)) if name == "scaled" else np.ones(64)
    np.testing.assert_allclose(magnitudes, np.broadcast_to(expected, magnitudes.shape), rtol=1e-5)
    assert isinstance(layer.input_quantizer, larq.quantizers.SteSign)


@pytest.mark.parametrize(("name", "at_a_quarter"), [("binary", 1.0), ("approx-sign", 1.5), ("swish-sign", None)])
def test_the_estimator_is_the_gradient_of_the_sign_in_training(name: str, at_a_quarter: float | None) -> None:
    """At x = 0.25: 1 for the clipped straight-through estimator, 2 - 2|x| for ApproxSign, neither for SwishSign."""
    import tensorflow as tf

    x = tf.constant([0.25])
    for what in ("input", "kernel"):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = getattr(built(name).get_layer("stage2_1"), f"{what}_quantizer")(x)
        slope = float(tape.gradient(y, x)[0])
        assert slope == pytest.approx(at_a_quarter) if at_a_quarter else slope not in (0.0, 1.0)


def test_unknown_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of all, first, last"):
        Design(blocks="middle")
