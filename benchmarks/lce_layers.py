"""QuickNet's four binary convolutions by themselves, with each kernel; see benchmarks/lce_ops.py."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.lce_contenders import RUNTIME
from benchmarks.results import Table
from harness.native.build import host_library
from tests.device.lce_ops.graphs import Graph, conv_options, flexbuffer, pack

# QuickNet's convolutions as (map, channels): all of them multiply equally often.
LAYERS = ((56, 64), (28, 128), (14, 256), (7, 512))
LAYER_PRODUCTS = 56 * 56 * 64 * 64 * 9
LAYER_KERNELS = ("avx512", "avx2", "neon", "portable")


def layer_times(*, rounds: int = 400) -> dict[tuple[str, str], float]:
    """Fastest microseconds of QuickNet's 3x3 convolutions, from bits to floats, one thread, by (kernel, layer)."""
    times = {}
    for size, channels in LAYERS:
        model = _layer(size, channels)
        bits = np.random.default_rng(0).integers(-(2**31), 2**31, (1, size, size, channels // 32), dtype=np.int32)
        for kernel in LAYER_KERNELS:
            runtime = importlib.import_module(RUNTIME)
            try:
                delegate = runtime.load_delegate(str(host_library()), {"kernel": kernel})
            except ValueError:  # not on this processor
                continue
            interpreter = runtime.Interpreter(model_content=model, experimental_delegates=[delegate], num_threads=1)
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], bits)
            name = f"{size}x{size}x{channels}"
            times[kernel, name] = min(_microseconds(interpreter.invoke) for _ in range(rounds))
    return times


def _microseconds(run: Callable[[], Any]) -> float:
    started = time.thread_time_ns()
    run()
    return (time.thread_time_ns() - started) / 1e3


def _layer(size: int, channels: int) -> bytes:
    rng, graph = np.random.default_rng(0), Graph()
    source = graph.tensor((1, size, size, channels // 32), "int32")
    filters = pack(rng.random((channels, 3, 3, channels)) < 0.5)
    constants = [graph.tensor(filters.shape, "int32", filters)]
    constants += [graph.tensor([channels], "float32", rng.normal(size=channels)) for _ in range(2)]
    target = graph.tensor((1, size, size, channels), "float32")
    graph.custom("LceBconv2d", [source, *constants, -1], target, flexbuffer(conv_options(channels)))
    return graph.model([source], [target])


def table(times: dict[tuple[str, str], float]) -> Table:
    rows = [
        [kernel, layer, f"{microseconds:.0f}", f"{LAYER_PRODUCTS / microseconds / 1e3:.0f}"]
        for (kernel, layer), microseconds in times.items()
    ]
    title = "QuickNet's 3x3 convolutions by themselves, the copy of their input included, fastest runs"
    return Table(title, ["kernel", "layer", "microseconds", "binary products per nanosecond"], rows)
