"""The two ways to LCE's operators: where they refuse, and in which words."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from converters import ConversionError, lce_original
from converters.lce import lce
from converters.rewriting import reading


def small_model() -> Any:
    import tensorflow as tf

    image = tf.keras.Input((8, 8, 3))
    return tf.keras.Model(image, tf.keras.layers.Conv2D(4, 3)(image))


def test_model_over_two_gigabytes_is_refused_with_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1000)
    with pytest.raises(
        ConversionError, match=r"cannot be rewritten: it has [\d,]+ bytes, and a flatbuffer has at most"
    ):
        lce(small_model())


def test_lce_s_own_converter_says_where_it_is_missing_and_what_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "larq_compute_engine", None)
    with pytest.raises(ConversionError, match="Larq Compute Engine is not installed") as caught:
        lce_original.lce(small_model())
    assert caught.value.hint == "the format lce, which needs none of it"
