"""Drives the operators through good and bad graphs; a crash or a sanitizer's report is the failure.

    python stress.py LIBRARY RUNTIME SEED

Options and shapes are tried in this process. Whole files with changed bytes are tried in a child each, because they
also bring down the runtimes themselves: only a child whose stderr names our library counts.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lce_ops.conftest import GOLDEN, KERNELS, Operators, invoke
from lce_ops.golden_cases import failures
from lce_ops.graphs import conv_options, flexbuffer
from lce_ops.random_graphs import random_graph
from lce_ops.test_float_graphs import FloatNetwork
from lce_ops.test_refusals import MALFORMED, conv_model

FILES, SECONDS_PER_FILE = 200, 5


def try_model(operators: Operators, model: bytes) -> bool:
    """Whether the model was accepted; an accepted one is also run."""
    try:
        interpreter = operators.interpreter(model, num_threads=2)
    except (RuntimeError, ValueError):
        return False
    inputs = [np.ones(d["shape"], d["dtype"]) for d in interpreter.get_input_details()]
    with suppress(RuntimeError, ValueError):  # changed files also ask for what only a run can refuse
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


def changed_file(model: bytes, rng: random.Random) -> bytes:
    """A model with a few bytes changed, mostly near the file's beginning: its end holds the weights."""
    raw = bytearray(model)
    for _ in range(rng.randint(1, 3)):
        raw[int(len(raw) * rng.random() ** 4)] = rng.choice([0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    return bytes(raw)


def stderr_of_crash(operators: Operators, model: bytes) -> str:
    """What a child process that tried the model wrote to standard error if it died of it; else an empty text."""
    with tempfile.TemporaryFile() as words:
        child = os.fork()
        if child == 0:
            os.dup2(words.fileno(), sys.stderr.fileno())
            signal.alarm(SECONDS_PER_FILE)  # a batch of a million images is not a fault
            try_model(operators, model)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        words.seek(0)
        return words.read().decode(errors="replace") if status != 0 else ""


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
    originals = [random_graph(i)[0] for i in range(20)]
    crashes = [stderr_of_crash(operators, changed_file(rng.choice(originals), rng)) for _ in range(FILES)]
    ours = [words for words in crashes if Path(library).name in words]
    assert not ours, ours[0]
    print(f"{FILES} changed files, {sum(map(bool, crashes))} too much for the runtime itself")
    for kernel in KERNELS:
        for threads in (1, 3):
            counted = failures(GOLDEN, library, runtime, kernel=kernel, num_threads=threads)
            assert counted == {"cases": "169"}, counted
    for i in range(100):
        model, inputs = random_graph(seed * 1000 + i)
        for kernel in KERNELS:
            operators.run(model, inputs, kernel=kernel, num_threads=3)
    for i in range(30):
        network = FloatNetwork(seed * 1000 + i)
        model, inputs = network.model([network.source], network.results), network.inputs()
        for kernel in KERNELS:
            operators.run(model, inputs, kernel=kernel, num_threads=3, floats=1)
    bad = [model for model, _ in MALFORMED.values()]
    options = [flexbuffer(conv_options(40), width) for width in (None, 2, 4, 8)]
    bad += [conv_model(mutated(rng.choice(options), rng)) for _ in range(1500)]
    bad += [misfit(rng) for _ in range(1500)]
    accepted = sum(try_model(operators, model) for model in bad)
    print(f"{len(bad)} bad models, {accepted} of them acceptable after all")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
