"""Which runtime is chosen, and what it is asked to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from device import runtimes
from device.delegates import DelegateError, check_flex, has_flex
from device.runtimes import RUNTIMES, RuntimeMissing, choose, unusable_reason
from tests.flatbuffers.hand_rows import ROWS

ALL = [runtime.name for runtime in RUNTIMES]
ARTIFACTS = Path(__file__).parent / "artifacts"
RECORD = {"height": 8, "width": 8, "channel_order": "rgb", "mean": [127.5] * 3, "scale": [1 / 127.5] * 3}


def test_builtin_operators_go_to_the_first_stock_runtime() -> None:
    assert choose(ALL, []) == "ai-edge-litert"
    assert choose(["tflite-runtime", "tensorflow"], []) == "tflite-runtime"


def test_flex_operators_go_to_tensorflow() -> None:
    assert choose(ALL, ["FlexErf"]) == "tensorflow"


@pytest.mark.parametrize(("version", "has"), [("2.15.1", True), ("2.18.1", True), ("2.19.1", False), ("2.21.0", False)])
def test_tensorflow_lost_its_flex_delegate_after_2_18(version: str, has: bool) -> None:
    assert has_flex(version) is has


def test_a_tensorflow_without_flex_says_so_before_it_is_loaded() -> None:
    with pytest.raises(
        DelegateError, match=r"TensorFlow 2\.19\.1 has no Flex delegate, and 2\.18 was the last: FlexErf"
    ):
        check_flex("tensorflow", "2.19.1", ["FlexErf", "Mfcc"], {})
    check_flex("tensorflow", "2.18.1", ["FlexErf"], {})
    check_flex("tensorflow", "2.19.1", ["FlexErf"], {"delegate": "libtensorflowlite_flex.so"})
    check_flex("tensorflow", "2.19.1", ["Mfcc"], {})


def test_unclaimed_custom_operators_are_left_to_a_stock_runtime() -> None:
    assert choose(ALL, ["TFLite_Detection_PostProcess"]) == "ai-edge-litert"


def test_lce_operators_go_to_lce_and_else_to_a_stock_runtime_with_our_library() -> None:
    assert choose(ALL, ["LceBconv2d"]) == "ai-edge-litert+lce-ops"
    assert choose([name for name in ALL if "+" not in name], ["LceBconv2d"]) == "larq-compute-engine"
    assert choose(["tflite-runtime", "tflite-runtime+lce-ops"], ["LceQuantize"]) == "tflite-runtime+lce-ops"
    assert choose(["tflite-runtime+lce-ops", "tflite-runtime"], []) == "tflite-runtime"


def test_runtimes_that_take_our_library_are_there_only_with_it() -> None:
    assert not any("lce-ops" in runtime["name"] for runtime in runtimes.installed())
    assert any("lce-ops" in runtime["name"] for runtime in runtimes.installed(library=True))


def test_lce_operators_never_go_to_a_runtime_without_them() -> None:
    with pytest.raises(
        RuntimeMissing, match="no runtime with the operators LceBconv2d is usable here; usable: tensorflow"
    ):
        choose(["tensorflow"], ["LceBconv2d"])


def test_a_forced_runtime_is_taken_or_refused() -> None:
    assert choose(ALL, [], wanted="tensorflow") == "tensorflow"
    with pytest.raises(RuntimeMissing, match='"tensorflow" is not usable here; usable: tflite-runtime'):
        choose(["tflite-runtime"], [], wanted="tensorflow")


def test_tflite_runtime_is_not_usable_with_numpy_2() -> None:
    assert unusable_reason("tflite-runtime", "2.1.0") == "tflite-runtime needs numpy < 2, found 2.1.0"
    assert unusable_reason("tflite-runtime", "1.26.4") == ""
    assert unusable_reason("ai-edge-litert", "2.1.0") == ""


INSTALLED = [runtime["name"] for runtime in runtimes.installed() if runtime["usable"]]


@pytest.mark.parametrize("runtime", [name for name in INSTALLED if name in ("ai-edge-litert", "tflite-runtime")])
@pytest.mark.parametrize("name", ["float", "int8"])
def test_every_stock_runtime_gives_the_scores_of_keras(runtime: str, name: str) -> None:
    oracle = np.load(ARTIFACTS / f"{name}.npz")
    engine = runtimes.load(str(ARTIFACTS / f"{name}.tflite"), runtime=runtime)
    source, target = engine.inputs[0], engine.outputs[0]
    for image, scores in zip(oracle["images"], oracle["scores"]):
        engine.set_inputs([source.encode(image[None], RECORD)])
        engine.invoke()
        atol = 1e-5 if name == "float" else 8 / 256
        np.testing.assert_allclose(target.decode(engine.get_outputs()[0])[0], scores, atol=atol)
    assert engine.delegate in ("XNNPACK", "none")
    assert engine.load_ns > 0


@pytest.mark.skipif("larq-compute-engine" not in INSTALLED, reason="needs larq-compute-engine")
def test_larq_compute_engine_gives_the_scores_of_keras_without_importing_tensorflow() -> None:
    import subprocess
    import sys

    script = f"""
import sys, numpy as np
from device import runtimes
oracle = np.load("{ARTIFACTS}/lce.npz")
engine = runtimes.load("{ARTIFACTS}/lce.tflite", runtime="larq-compute-engine")
for image, scores in zip(oracle["images"], oracle["scores"]):
    engine.set_inputs([((image[None] - np.float32(127.5)) / np.float32(127.5)).astype(np.float32)])
    engine.invoke()
    np.testing.assert_allclose(engine.get_outputs()[0][0], scores, atol=1e-5)
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])


def test_a_runtime_without_the_operators_of_tensorflow_says_which_has_them(tmp_path: Path) -> None:
    path = tmp_path / "flex.tflite"
    path.write_bytes(ROWS["an operator of TensorFlow"].build())
    with pytest.raises(RuntimeError, match=r"^this runtime has no FlexMatrixInverse; TensorFlow.s packages have"):
        runtimes.load(str(path), runtime="ai-edge-litert")
