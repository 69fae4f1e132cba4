"""Our LCE converter against Larq Compute Engine's own, on ten models: operators, constants, bytes, results, seconds.

    python benchmarks/lce_converter.py [--json | --markdown] [--networks quicknet ...] [--repeats 3] [--images 2]

Both are given one Keras model and convert it in turn; seconds are processor time of this process, medians, from the
Keras model to the artifact's bytes. Logits are those of the artifacts without their softmax, on LCE's own interpreter
and on our operators; a difference is the largest of any logit, and stands beside the spread of LCE's logits. Ratios are
LCE's seconds over ours. Models without weights of ours get random ones, batch norms with factors of both signs, and
statistics fitted to images. Larq Compute Engine must be installed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.lce_networks import fit_normalisation, smooth_images
from converters.rewriting.graph import Graph, Model, Operator
from converters.rewriting.reading import read_model
from converters.rewriting.writing import write_model
from device.preprocessing import preprocess
from harness import keras_packages
from harness.models.catalogue import CATALOGUE, catalogue_model

ZOO = {  # those that the catalogue does not have
    "quicknet-small": "larq_zoo.sota:QuickNetSmall",
    "bi-real-net": "larq_zoo.literature:BiRealNet",
    "binary-densenet28": "larq_zoo.literature:BinaryDenseNet28",
}
NETWORKS = (
    "planted-binary",
    "cifar-binary",
    "quicknet",
    "quicknet-small",
    "binary-alexnet",
    "binary-resnet-e18",
    "bi-real-net",
    "binary-densenet28",
    "meliusnet22",
    "real-to-binary-net",
)
LCE_OPERATORS = ("LceQuantize", "LceBconv2d", "LceBMaxPool2d", "LceDequantize")
FITTING_IMAGES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One model; `ours` and `theirs` name the converters.

    operators        of our artifact, by name; as_theirs whether LCE's artifact has the same.
    equal_constants  of the binary convolutions' constants, how many are equal to the byte; of `constants`.
    on_lce, on_ours  largest difference of a logit from LCE's artifact on LCE's interpreter, by what executes ours.
    """

    network: str
    operators: dict[str, int]
    as_theirs: bool
    equal_constants: int
    constants: int
    bytes_ours: int
    bytes_theirs: int
    on_lce: float
    on_ours: float
    spread: float
    seconds_ours: float
    seconds_theirs: float


def keras_model(name: str) -> tuple[Any, dict[str, Any]]:
    """The model and how images become its input."""
    from harness.models.loading import load_model

    if name in CATALOGUE and CATALOGUE[name].weights == "trained":
        return load_model(catalogue_model(name, CATALOGUE[name])), CATALOGUE[name].preprocessing
    record = CATALOGUE["quicknet"].preprocessing
    if name in CATALOGUE:
        made = load_model(catalogue_model(name, CATALOGUE[name], weights="random"))
    else:
        module, _, builder = ZOO[name].partition(":")
        made = getattr(importlib.import_module(module), builder)(weights=None)
    randomise_norms(made)
    fit_normalisation(made, preprocess(smooth_images(record, FITTING_IMAGES, seed=1), record))
    return made, record


def randomise_norms(made: Any) -> None:
    """Factors of both signs and shifts, as training leaves them; statistics are fitted to images later."""
    rng = np.random.default_rng(0)
    for layer in keras_packages.layers_of(made):
        if isinstance(layer, keras_packages.keras_of(layer).layers.BatchNormalization):
            if layer.gamma is not None:
                layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape) * rng.choice([-1, 1], layer.gamma.shape))
            if layer.beta is not None:
                layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))


def compare(name: str, *, repeats: int, images: int) -> Row:
    from converters import lce_original
    from converters.lce import lce

    made, record = keras_model(name)
    pixels = preprocess(smooth_images(record, images), record)
    ours, theirs = converted(made, (lce, lce_original.lce), repeats)
    mine, yours = graph_of(ours.content), graph_of(theirs.content)
    expected = on_lce(theirs.content, pixels)
    equal, constants = equal_constants(mine, yours)
    return Row(
        network=name,
        operators=dict(Counter(operator.name for operator in mine.operators)),
        as_theirs=Counter(o.name for o in mine.operators) == Counter(o.name for o in yours.operators),
        equal_constants=equal,
        constants=constants,
        bytes_ours=len(ours.content),
        bytes_theirs=len(theirs.content),
        on_lce=largest_difference(on_lce(ours.content, pixels), expected),
        on_ours=largest_difference(on_our_operators(ours.content, pixels), expected),
        spread=float(np.ptp(expected)),
        seconds_ours=ours.seconds,
        seconds_theirs=theirs.seconds,
    )


@dataclass(frozen=True, slots=True)
class Converted:
    content: bytes
    seconds: float


def converted(made: Any, converters: tuple[Callable[[Any], bytes], ...], repeats: int) -> list[Converted]:
    """What each converter makes, in turn and several times; the median of its processor time."""
    contents: dict[int, bytes] = {}
    seconds: dict[int, list[float]] = {}
    for _ in range(repeats):
        for number, convert in enumerate(converters):
            before = time.process_time()
            contents[number] = convert(made)
            seconds.setdefault(number, []).append(time.process_time() - before)
    return [Converted(contents[number], statistics.median(seconds[number])) for number in contents]


def graph_of(content: bytes) -> Graph:
    (graph,) = read_model(content).graphs
    return graph


def equal_constants(mine: Graph, yours: Graph) -> tuple[int, int]:
    """How many constants of binary convolutions are equal to the byte, and how many there are."""
    pairs = [
        (ours, theirs)
        for first, second in zip(binary_convolutions(mine), binary_convolutions(yours))
        for ours, theirs in zip(first.inputs[1:], second.inputs[1:])
        if ours is not None
    ]
    equal = sum(theirs is not None and np.array_equal(ours.data, theirs.data) for ours, theirs in pairs)
    return equal, len(pairs)


def binary_convolutions(graph: Graph) -> list[Operator]:
    return [operator for operator in graph.operators if operator.name == "LceBconv2d"]


def without_softmax(content: bytes) -> bytes:
    graph = graph_of(content)
    last = graph.operators[-1]
    if last.name == "SOFTMAX":
        graph.outputs = [last.input(0)]
        graph.remove_unread()
    return write_model(Model([graph], []))


def on_lce(content: bytes, pixels: np.ndarray) -> np.ndarray:
    from larq_compute_engine.tflite.python.interpreter import Interpreter

    return np.asarray(Interpreter(without_softmax(content)).predict(pixels))


def on_our_operators(content: bytes, pixels: np.ndarray) -> np.ndarray:
    from ai_edge_litert.interpreter import Interpreter, load_delegate

    from harness.native import build

    delegate = load_delegate(str(build.host_library()))
    interpreter = Interpreter(model_content=without_softmax(content), experimental_delegates=[delegate], num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    logits = []
    for image in pixels:
        interpreter.set_tensor(source["index"], image[None])
        interpreter.invoke()
        logits.append(interpreter.get_tensor(result["index"])[0])
    return np.stack(logits)


def largest_difference(logits: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(logits - expected).max())


HEAD = (
    "model",
    "operators",
    "of LCE",
    "as LCE's",
    "equal constants",
    "bytes",
    "LCE's bytes",
    "differs on LCE's interpreter",
    "on our operators",
    "spread",
    "seconds",
    "LCE's seconds",
)


def table(rows: list[Row]) -> str:
    """The rows in Markdown; docs/lce-converter.md shows them."""
    rule = ["---", *["--:"] * (len(HEAD) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, rule, *map(cells_of, rows)))


def cells_of(row: Row) -> list[str]:
    return [
        row.network,
        str(sum(row.operators.values())),
        str(sum(row.operators.get(name, 0) for name in LCE_OPERATORS)),
        "yes" if row.as_theirs else "no",
        f"{row.equal_constants} of {row.constants}",
        f"{row.bytes_ours:,}",
        f"{row.bytes_theirs:,}",
        f"{row.on_lce:.1g}",
        f"{row.on_ours:.1g}",
        f"{row.spread:.3g}",
        f"{row.seconds_ours:.2f}",
        f"{row.seconds_theirs:.2f}",
    ]


def ratios(rows: list[Row]) -> dict[str, float]:
    return {row.network: round(row.seconds_theirs / row.seconds_ours, 2) for row in rows}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    parser.add_argument("--markdown", action="store_true", help="print the table of the documents, and nothing else")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=2)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_packages.set_up()
    rows = [compare(name, repeats=options.repeats, images=options.images) for name in options.networks]
    if options.json:
        print(json.dumps({"ratios": ratios(rows), "figures": {row.network: asdict(row) for row in rows}}))
    else:
        print(table(rows))
        if not options.markdown:
            print("\nLCE's seconds over ours:", ", ".join(f"{name} {ratio}" for name, ratio in ratios(rows).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
