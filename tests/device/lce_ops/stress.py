"""Drives the operators through good and bad graphs; a crash or a sanitizer's report is the failure.

python stress.py LIBRARY RUNTIME SEED
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lce_ops.conftest import GOLDEN, KERNELS, Operators, invoke
from lce_ops.golden_cases import failures
from lce_ops.graphs import conv_options, flexbuffer
from lce_ops.random_graphs import random_graph
from lce_ops.test_refusals import MALFORMED, conv_model


def try_model(operators: Operators, model: bytes) -> bool:
    """Whether the model was accepted; an accepted one is also run."""
    try:
        interpreter = operators.interpreter(model, num_threads=2)
    except (RuntimeError, ValueError):
        return False
    inputs = [np.ones(d["shape"], d["dtype"]) for d in interpreter.get_input_details()]
    invoke(interpreter, inputs)
    return True


def mutated(options: bytes, rng: random.Random) -> bytes:
    """The options with a few bytes changed, cut off, or repeated."""
    raw = bytearray(options)
    for _ in range(rng.randint(1, 4)):
        raw[rng.randrange(len(raw))] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    if rng.random() < 0.2:
        start = rng.randrange(len(raw))
        del raw[start : start + rng.randint(1, 8)]
    if rng.random() < 0.1:
        raw += raw[-rng.randint(1, 16) :]
    return bytes(raw) or b"\0"


def misfit(rng: random.Random) -> bytes:
    """A convolution whose shapes, types and options were drawn apart from each other."""
    extent = [0, 1, 2, 3, 5]
    options = conv_options(
        rng.choice([1, 31, 32, 33, 64, 96]), pad_values=rng.randint(0, 1), padding=rng.randint(0, 1),
        stride_height=rng.choice([1, 2, 1000, 2**31 - 1]), dilation_width_factor=rng.choice([1, 2, 1000, 2**30]),
        fused_activation_function=rng.randint(0, 6),
    )  # fmt: skip
    return conv_model(
        flexbuffer(options, rng.choice([None, 4, 8])),
        weights=tuple(rng.choice(extent) for _ in range(rng.choice([3, 4, 4, 4]))),
        image=tuple(rng.choice(extent) for _ in range(rng.choice([3, 4, 4, 4]))),
        dtype=rng.choice(["float32", "int8", "int32", "bool"]),
        quantization=rng.choice([None, (0.5, 3), (-1.0, 0), (float("nan"), 0), (1e-30, 2**31 - 1)]),
        scales=rng.choice(extent),
        drop=tuple(i for i in range(5) if rng.random() < 0.1),
    )


def main(library: str, runtime: str, seed: int) -> None:
    operators, rng = Operators(runtime, Path(library)), random.Random(seed)
    for kernel in KERNELS:
        for threads in (1, 3):
            found = failures(GOLDEN, library, runtime, kernel=kernel, num_threads=threads)
            assert found == {"cases": "169"}, found
    for i in range(100):
        model, inputs = random_graph(seed * 1000 + i)
        for kernel in KERNELS:
            operators.run(model, inputs, kernel=kernel, num_threads=3)
    bad = [model for model, _ in MALFORMED.values()]
    options = [flexbuffer(conv_options(40), width) for width in (None, 2, 4, 8)]
    bad += [conv_model(mutated(rng.choice(options), rng)) for _ in range(1500)]
    bad += [misfit(rng) for _ in range(1500)]
    accepted = sum(try_model(operators, model) for model in bad)
    print(f"{len(bad)} bad models, {accepted} of them acceptable after all")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
