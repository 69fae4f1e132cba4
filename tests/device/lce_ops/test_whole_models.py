"""Whole models against LCE's own interpreter, and the instructions of the ARM kernel's inner loop."""

from __future__ import annotations

import pytest

from benchmarks import lce_networks
from benchmarks.lce_instructions import LCE_PRODUCTS_PER_INSTRUCTION, aarch64_products_per_instruction
from harness.native import build


def test_the_neon_loop_needs_no_more_vector_instructions_than_lce() -> None:
    products = aarch64_products_per_instruction()
    if products is None:
        pytest.skip("needs an aarch64 compiler and aarch64-linux-gnu-objdump")
    assert products >= LCE_PRODUCTS_PER_INSTRUCTION


@pytest.mark.slow
@pytest.mark.parametrize("runtime", lce_networks.RUNTIMES)
@pytest.mark.parametrize("place", ["this-host", "cortex-a72"])
@pytest.mark.parametrize("model", lce_networks.MODELS)
def test_models_predict_through_the_agent_what_lce_predicts(
    model: str, place: str, runtime: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytest.importorskip("larq_compute_engine")
    device = lce_networks.HOST if place == "this-host" else emulated_board()
    folder = tmp_path_factory.getbasetemp() / "lce-models"
    row = lce_networks.compare(model, device, runtime, folder=folder, images=2)
    assert row.same_class == row.images
    assert row.scores <= 1e-5


def emulated_board() -> lce_networks.Device:
    from harness.devices.emulated import EmulatedDevice, missing_parts

    assert isinstance(lce_networks.BOARD, EmulatedDevice)
    missing = missing_parts(lce_networks.BOARD)
    if missing:
        pytest.skip(f"needs the emulated board ({', '.join(missing)}): bitlens device setup cortex-a72")
    try:
        build.library("aarch64")
    except build.NoCompiler as problem:
        pytest.skip(str(problem))
    return lce_networks.BOARD
