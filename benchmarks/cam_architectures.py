"""Which layer each reading of "the last layer" means in the ten networks of arXiv 2106.12569, and what it may show.

    python benchmarks/cam_architectures.py [--networks NAME ...] [--json]

The networks have random weights: only what the architecture alone decides is told. A GradCAM map has to be blank where
it has one pixel. Where the logits see no more of a layer than the average of each channel, the values of the map before
its ReLU add up to the class's logit less its bias, so that it shows something whenever that is above 0; this is asked
of the layers that follow, whose gradient is then the same at all places and for all features. Elsewhere nothing
prevents a blank map. Ratios: none.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cam_readings import ReadLayer, read_layers
from harness import keras_packages
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.saliency.engine.activation_maps import passed_by_all
from harness.saliency.engine.graph import Graph, read_graph, replay
from harness.saliency.engine.logits import recognised

NETWORKS = [name for name, entry in CATALOGUE.items() if entry.paper != "ours"]
ALWAYS, ADDS_UP, CAN = "always", "only where the logit is not above its bias", "yes"
ROUNDING = 1e-5  # of the largest gradient: sums in float32


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A layer, and whether GradCAM's ReLU may leave nothing of its map: one of the three words above."""

    layer: ReadLayer
    blank: str


def main() -> None:
    arguments = _arguments()
    keras_packages.set_up()
    figures = {name: rows_of(name) for name in arguments.networks}
    of_networks = {name: [asdict(row) for row in rows] for name, rows in figures.items()}
    print(json.dumps({"ratios": {}, "figures": of_networks}, indent=1) if arguments.json else table(figures))


def rows_of(name: str) -> list[Row]:
    """The layers of a network of the catalogue, in an order of execution."""
    from harness.models.loading import load_model

    model = load_model(catalogue_model(name, CATALOGUE[name], weights="random"))
    graph = read_graph(model)
    return [Row(layer=layer, blank=blank_by_sign(graph, layer)) for layer in read_layers(model)]


def blank_by_sign(graph: Graph, layer: ReadLayer) -> str:
    """ALWAYS, ADDS_UP or CAN."""
    if layer.is_one_pixel:
        return ALWAYS
    return ADDS_UP if adds_up(graph, layer.name) else CAN


def adds_up(graph: Graph, name: str) -> bool:
    """Whether the logits of a graph that ends in a softmax see no more of a layer than the average of each channel.

    The values of its map before the ReLU then add up to the logit less its bias: what it is where the features are 0.
    """
    import tensorflow as tf

    head = recognised(graph, "", name=name)
    if head is None or name not in passed_by_all(head.graph):
        return False
    steps = head.graph.steps
    step = head.graph.step(name)
    rest = replace(head.graph, steps=steps[steps.index(step) + 1 :], input=step.outputs[0])
    features: Any = tf.constant(np.random.default_rng(0).normal(size=(2, *step.shape[1:])), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(features)
        logit = replay(rest, features)[0][:, 0]
    gradient = tape.gradient(logit, features).numpy()
    return bool(np.ptp(gradient, axis=(0, 1, 2)).max() <= ROUNDING * np.abs(gradient).max())


def table(figures: dict[str, list[Row]]) -> str:
    head = ("network", "layer", "readings", "map", "between it and the pooling", "can the map be blank for its sign?")
    rows = [
        (
            name,
            f"`{row.layer.name}`",
            ", ".join(row.layer.readings),
            f"{row.layer.size[0]}×{row.layer.size[1]}×{row.layer.channels:,}",
            "it comes after it" if row.layer.is_one_pixel else ", ".join(row.layer.behind) or "nothing",
            row.blank,
        )
        for name, rows in figures.items()
        for row in rows
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="these alone")
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    return parser.parse_args()


if __name__ == "__main__":
    main()
