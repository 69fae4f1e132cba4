"""Whole networks against LCE's own interpreter, and the instructions of the ARM kernel's inner loop."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import lce_ops as benchmark

from .conftest import Operators


def test_the_neon_loop_needs_no_more_vector_instructions_than_lce() -> None:
    products = benchmark.aarch64_products_per_instruction()
    if products is None:
        pytest.skip("needs an aarch64 compiler and aarch64-linux-gnu-objdump")
    assert products >= benchmark.LCE_PRODUCTS_PER_INSTRUCTION


@pytest.mark.slow
@pytest.mark.parametrize("name", benchmark.NETWORKS)
def test_networks_predict_what_lce_predicts(
    operators: Operators, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("larq_compute_engine")
    models = tmp_path_factory.getbasetemp() / "networks"
    benchmark.make_networks(models, [name])
    path = models / f"{name}.tflite"
    image = np.random.default_rng(1).normal(size=benchmark.INPUT_SHAPE).astype(np.float32)
    wanted = benchmark.larq(path, "default")(image)
    for fuse in (0, 1):
        (got,) = operators.run(path.read_bytes(), [image], fuse=fuse)
        # Probabilities; the builtin operators of the two runtimes round differently.
        np.testing.assert_allclose(got, wanted, atol=1e-5)
        assert got.argmax() == wanted.argmax()
