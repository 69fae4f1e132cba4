"""The ten models of the paper: their heads, default layers, and the fast graph against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.outputs import PROBABILITIES
from harness.saliency import GradientEngine, compute
from tests import oracles
from tests.harness.saliency import paper_models

DEFAULT_LAYERS = {  # numbered names depend on what was built before; None is checked by position alone
    "EfficientNetB0": "top_activation",
    "MobileNet": "conv_pw_13_relu",
    "MobileNetV2": "out_relu",
    "VGG16": "block5_conv3",
    "ResNet50": "conv5_block3_out",
    "QuickNet": None,
    "BinaryAlexNet": None,
    "BinaryResNetE18": None,
    "MeliusNet22": "head_relu",
    "RealToBinaryNet": None,
}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, 96) for name in ("MobileNet", "QuickNet", "BinaryAlexNet")),
        *(pytest.param(name, 224, marks=pytest.mark.slow) for name in paper_models.TEN),
    ],
)
def test_logits_are_split_off_and_the_fast_graph_gives_the_plain_maps(name: str, size: int) -> None:
    model, images = paper_models.build(name, size=size), paper_models.images(2, size=size, name=name)
    fast, plain = GradientEngine(model), GradientEngine(model, fast=False)
    assert fast.head.kind == PROBABILITIES, "all ten end in a softmax"
    assert fast.pseudo_gradient == (name in paper_models.BINARIZED)
    np.testing.assert_allclose(fast.scores(images), model(images, training=False), atol=2e-4)
    expected, actual = (compute(engine, "gradient", images, [7, 400]).values for engine in (plain, fast))
    for a, b in zip(actual, expected, strict=True):
        assert oracles.correlation(a, b) > 0.9999
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-2 * np.ptp(b))
    expected, actual = (
        compute(engine, "gradcam", images, [7, 400], parameters={"relu": False}).values for engine in (plain, fast)
    )
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name",
    [
        "MobileNet",
        "QuickNet",
        "BinaryAlexNet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in paper_models.TEN
            if name not in ("MobileNet", "QuickNet", "BinaryAlexNet")
        ),
    ],
)
def test_the_default_layer_is_spatial_and_every_path_passes_it(name: str) -> None:
    from harness.saliency import list_layers

    model = paper_models.build(name, size=96)
    layers = list_layers(model)
    [chosen] = [info for info in layers if info.default]
    assert min(chosen.height, chosen.width) > 1
    assert not chosen.bypassed
    assert DEFAULT_LAYERS[name] in (None, chosen.name)
    last = max(i for i, info in enumerate(layers) if info.convolution)
    assert layers.index(chosen) >= last
