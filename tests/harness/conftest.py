"""What several tests of the host need."""

from __future__ import annotations

import pytest

from harness.native import floats


@pytest.fixture(scope="session")
def floats_library() -> None:
    """The library of what the host computes in floats, or the test is skipped."""
    if not floats.is_available():
        pytest.skip("needs a C++ compiler, or a wheel that carries the library")
