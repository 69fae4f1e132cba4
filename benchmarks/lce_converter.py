"""Our LCE converter against Larq Compute Engine's own, on ten models: operators, constants, bytes, results, seconds.

    python benchmarks/lce_converter.py [--quick] [--json] [--save] [--docs] [--networks quicknet ...] [--images 2]

Both are given one Keras model and convert it in turn; seconds are processor time of this process, from the Keras model
to the artifact's bytes. Logits are those of the artifacts without their softmax, on LCE's own interpreter
and on our operators; a difference is the largest of any logit, and stands beside the spread of LCE's logits. Ratios are
LCE's seconds over ours. Models without weights of ours get random ones, batch norms with factors of both signs, and
statistics fitted to images. --quick times the two smallest and QuickNet. --docs times nothing: it writes
docs/lce-converter.json and prints the table of docs/lce-converter.md. Larq Compute Engine must be installed.
"""

from __future__ import annotations

import importlib
import json
import os
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

from benchmarks.conditions import Watch
from benchmarks.lce_networks import fit_normalisation, smooth_images
from benchmarks.ratios import Comparison, Limits, Turns, least, middle, over, take_turns
from benchmarks.results import Table, limits_of, parser_of, positive_int, publish
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
QUICK = NETWORKS[:3]
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


def compare(name: str, made: Any, record: dict[str, Any], *, images: int) -> Row:
    """What the two converters make of a model."""
    from converters import lce_original
    from converters.lce import lce

    pixels = preprocess(smooth_images(record, images), record)
    ours, theirs = lce(made), lce_original.lce(made)
    mine, yours = graph_of(ours), graph_of(theirs)
    expected = on_lce(theirs, pixels)
    equal, constants = equal_constants(mine, yours)
    return Row(
        network=name,
        operators=dict(Counter(operator.name for operator in mine.operators)),
        as_theirs=Counter(o.name for o in mine.operators) == Counter(o.name for o in yours.operators),
        equal_constants=equal,
        constants=constants,
        bytes_ours=len(ours),
        bytes_theirs=len(theirs),
        on_lce=largest_difference(on_lce(ours, pixels), expected),
        on_ours=largest_difference(on_our_operators(ours, pixels), expected),
        spread=float(np.ptp(expected)),
    )


def times(name: str, made: Any, limits: Limits, watch: Watch) -> Turns:
    """Seconds of both, which have converted the model before."""
    from converters import lce_original
    from converters.lce import lce

    def seconds(convert: Callable[[Any], bytes]) -> Callable[[], float]:
        def measured() -> float:
            before = time.process_time()
            convert(made)
            return time.process_time() - before

        return measured

    contenders = {"ours": seconds(lce), "LCE": seconds(lce_original.lce)}
    faster = {name: Comparison(over("LCE", "ours"), f"converting {name}, over LCE's converter")}
    return take_turns(contenders, faster, limits, between=watch.look, label=name)


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
    ]


def main(arguments: list[str]) -> int:
    parser = parser_of(__doc__, Limits(width=0.1, least_rounds=6, most_rounds=24, most_seconds=120))
    parser.add_argument("--docs", action="store_true", help="write and print what docs/lce-converter.md shows, instead")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, help="only these")
    parser.add_argument("--images", type=positive_int, default=2)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    keras_packages.set_up()
    limits, watch = limits_of(options), Watch()
    rows, turns = [], {}
    for name in options.networks or (QUICK if options.quick else NETWORKS):
        made, record = keras_model(name)
        rows.append(compare(name, made, record, images=options.images))
        if not options.docs:
            turns[name] = times(name, made, limits, watch)
    if options.docs:
        facts = {"figures": {row.network: asdict(row) for row in rows}}
        (ROOT / "docs" / "lce-converter.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        print(table(rows))
        return 0
    ratios = {name: measured.ratios[name] for name, measured in turns.items()}
    seconds = [[name, *(f"{turns[name].median(who):.2f}" for who in ("ours", "LCE"))] for name in turns]
    publish(
        options,
        watch,
        ratios={
            **ratios,
            "median": middle(ratios, what="converting, over LCE's converter"),
            "least": least(ratios, what="converting, over LCE's converter"),
        },
        figures={row.network: asdict(row) for row in rows},
        tables=[Table("Processor seconds of one conversion", ["model", "ours", "LCE's"], seconds)],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
