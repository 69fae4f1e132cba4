"""Fidelity compares score tables; its numbers are known for tables made by hand."""
from __future__ import annotations

import numpy as np
import pytest

from converters.fidelity import compare

REFERENCE = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], np.float32)


def test_a_table_agrees_wholly_with_itself() -> None:
    fidelity = compare(REFERENCE, REFERENCE)
    assert (fidelity.top1_agreement, fidelity.max_abs_score_difference) == (1.0, 0.0)
    assert fidelity.rank_correlation == pytest.approx(1.0)
    assert fidelity.verdict(suspect_below=0.99) == ("ok", "")


def test_one_of_two_images_flipped_is_suspect_with_its_reason() -> None:
    fidelity = compare(REFERENCE, np.array([[0.2, 0.7, 0.1], [0.1, 0.6, 0.3]], np.float32))
    assert fidelity.top1_agreement == 0.5
    assert fidelity.max_abs_score_difference == pytest.approx(0.5)
    assert fidelity.mean_abs_score_difference == pytest.approx(1 / 6)
    status, reason = fidelity.verdict(suspect_below=0.99)
    assert status == "suspect"
    assert "50.0% of 2 images, expected at least 99%" in reason


def test_reversed_ranking_has_correlation_minus_one() -> None:
    assert compare(REFERENCE[:1], REFERENCE[:1, [2, 1, 0]]).rank_correlation == pytest.approx(-1.0)


def test_constant_scores_have_no_rank_correlation() -> None:
    assert compare(REFERENCE, np.full_like(REFERENCE, 1 / 3)).rank_correlation is None


def test_tables_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        compare(REFERENCE, REFERENCE[:1])
