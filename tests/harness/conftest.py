"""What several tests of the host need."""

from __future__ import annotations

import pytest

from harness.native import floats
from harness.saliency.engine.rewrites import residuals, tiles


@pytest.fixture(scope="session")
def floats_library() -> None:
    """The library of what the host computes in floats, or the test is skipped."""
    if not floats.is_available():
        pytest.skip("needs a C++ compiler, or a wheel that carries the library")


@pytest.fixture
def nothing_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions and sums of any size are computed by the library."""
    monkeypatch.setattr(tiles, "LEAST_PRODUCTS", 0)
    monkeypatch.setattr(residuals, "LEAST_VALUES", 0)
