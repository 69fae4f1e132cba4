"""The twins' artifacts have these bytes on every Python, TensorFlow and processor.

A change of one raises its format's recipe.
"""

from __future__ import annotations

import hashlib

import pytest

from converters.lce import lce
from harness.models.catalogue import CATALOGUE, catalogue_model
from harness.models.loading import load_model

SHA256 = {
    "planted-binary": "0511f6614522d71bc9cb4122eb727b152f5977db9006e957a02062e2f29f4970",
    "cifar-binary": "4d571a6102edf0500b2de509a8dbe6c7714f85d0f42a254ac455a1777cbd2060",
}


@pytest.mark.parametrize(("name", "sha256"), SHA256.items())
def test_artifact_has_the_same_bytes_everywhere(name: str, sha256: str) -> None:
    content = lce(load_model(catalogue_model(name, CATALOGUE[name])))
    assert hashlib.sha256(content).hexdigest() == sha256
