"""Ten models of the literature and of our own: what our converter makes of them is what LCE's makes."""

from __future__ import annotations

import pytest

from benchmarks import lce_converter

# TFLite folds the sign of a batch norm's factor into the weights of a convolution, and LCE into the multiplier: the
# same numbers, added up in another order.
SIGN_IN_THE_WEIGHTS = ("binary-resnet-e18", "bi-real-net")
# Of the thresholds of one layer LCE rounds some that are whole numbers but for the last bit.
ROUNDED_THRESHOLDS = {"binary-alexnet": 1}


@pytest.mark.slow
@pytest.mark.parametrize("name", lce_converter.NETWORKS)
def test_artifact_is_as_lce_s_converter_makes_it(name: str) -> None:
    pytest.importorskip("larq_compute_engine")
    row = lce_converter.compare(name, *lce_converter.keras_model(name), images=2)
    assert row.as_theirs
    assert row.bytes_ours <= 1.01 * row.bytes_theirs
    if name in SIGN_IN_THE_WEIGHTS:
        assert row.on_lce <= 1e-5 * row.spread
    else:
        assert row.equal_constants == row.constants - ROUNDED_THRESHOLDS.get(name, 0)
        assert row.on_lce == 0
    assert row.on_ours <= 1e-5 * row.spread
