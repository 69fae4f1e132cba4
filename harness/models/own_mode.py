"""A loaded model that obeys its graph, however it is called from now on.

A graph may fix training=True for some of its calls. `model(x, training=False)`, which accuracy and conversion ask for,
overrides that in Keras 3, and a batch norm in this mode changes its moving statistics and an image's scores with its
batch in either Keras. Here such calls keep their mode, and each image is normalised by its own statistics.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.keras_packages import is_keras_3, layers_of
from harness.saliency.engine.batch_statistics import call_by_image, takes_batch_statistics
from harness.saliency.engine.graph import Graph, read_graph
from harness.saliency.engine.layer_calls import layers_called_in_training
from harness.saliency.engine.own_call import OwnCall


def obey_graph(model: Any, name: str, shape: tuple[int, int, int]) -> None:
    """Change the layers of a model that its graph calls with training=True; other models stay as they are.

    name   what sentences call it.
    shape  of an image (H, W, C).
    Raises ConfigError, naming the layer, where an image has no scores of its own in this mode.
    """
    graph = read_graph(model)
    if any(step.training for step in graph.steps):
        images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        OwnCall(model, name).check(graph, images, scores=lambda scores: scores)
    for norm in _norms_by_batch(graph):
        norm.__dict__["call"] = call_by_image(norm)
    for layer in layers_called_in_training(model) if is_keras_3(model) else ():
        layer._call_context_args = set()  # what the call around a layer may override


def _norms_by_batch(graph: Graph) -> list[Any]:
    """Batch norms in training mode; also those inside of layers whose own calls nobody sees, in case."""
    found: dict[int, Any] = {}
    for step in graph.steps:
        for part in (step.layer, *layers_of(step.layer)):
            if takes_batch_statistics(part, training=step.training or part is not step.layer):
                found[id(part)] = part
    return list(found.values())
