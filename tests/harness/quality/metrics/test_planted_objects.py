"""Models with trained weights on the planted set, whose objects are known: mask beats gradient beats random."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.quality.controls import control_maps
from harness.quality.evaluation import evaluate
from harness.quality.inputs import MetricInputs

pytest.importorskip("tensorflow")
COUNT = 24


@pytest.fixture(scope="module")
def planted() -> tuple[MetricInputs, np.ndarray, Any]:
    """MetricInputs on planted images judged by planted-float, its gradient maps, and the Keras model."""
    from device.preprocessing import preprocess
    from harness.datasets.dataset_kinds import open_dataset
    from harness.datasets.geometry import fit_image, fit_mask
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model
    from harness.quality.judges import FloatJudge
    from harness.saliency import GradientEngine, explain

    model = catalogue_model("planted-float", CATALOGUE["planted-float"])
    keras_model = load_model(model)
    dataset = open_dataset("planted", path=None, seed=0)
    samples = [dataset.sample("test", i) for i in range(COUNT)]
    images = np.stack([fit_image(sample.image, model.preprocessing) for sample in samples])
    targets = np.array([sample.label for sample in samples])
    engine = GradientEngine(keras_model)
    inputs = MetricInputs(
        images=images,
        targets=targets,
        keys=tuple(sample.key for sample in samples),
        masks=np.stack([fit_mask(sample.mask, model.preprocessing) for sample in samples]),
        judge=FloatJudge(lambda pixels: engine.scores(preprocess(pixels, model.preprocessing))),
        parameters={},
    )
    return inputs, explain(engine, preprocess(images, model.preprocessing), targets=targets), keras_model


@pytest.mark.parametrize(
    "name", ["mass_in_object", "relevance_rank_accuracy", "pointing_game_hit_rate", "insertion_auc"]
)
def test_the_mask_beats_the_gradient_and_the_gradient_beats_random_maps(
    planted: tuple[MetricInputs, np.ndarray, Any], name: str
) -> None:
    inputs, gradient, _ = planted
    means = [
        np.nanmean(evaluate(name, maps, inputs).values)
        for maps in (control_maps("perfect", inputs), gradient, control_maps("random", inputs))
    ]
    assert means[0] > means[1] > means[2]


def test_the_compiled_model_scores_as_keras_does(planted: tuple[MetricInputs, np.ndarray, Any]) -> None:
    from harness.models.catalogue import CATALOGUE
    from harness.models.xnnpack import XnnpackModel
    from harness.quality.judges import FloatJudge

    inputs, gradient, keras_model = planted
    record = CATALOGUE["planted-float"].preprocessing
    compiled = replace(inputs, judge=FloatJudge(XnnpackModel(keras_model, record, threads=2), batch=7))
    for name in ("insertion_auc", "deletion_auc"):
        np.testing.assert_allclose(
            evaluate(name, gradient, compiled).values, evaluate(name, gradient, inputs).values, atol=1e-5
        )


def test_a_binarized_model_is_not_compiled() -> None:
    from harness.errors import ConfigError
    from harness.models.catalogue import CATALOGUE, catalogue_model
    from harness.models.loading import load_model
    from harness.models.xnnpack import XnnpackModel

    model = catalogue_model("planted-binary", CATALOGUE["planted-binary"], weights="random")
    with pytest.raises(ConfigError, match="binarized"):
        XnnpackModel(load_model(model), model.preprocessing)
