"""Fidelity compares answers; its numbers are known for tables made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from converters.fidelity import Answers, compare, logits_of, relative_differences

LOGITS = np.array([[2.0, 1.0, -3.0], [-1.0, 0.5, 0.5 - 1e-3], [4.0, 0.0, 1.0]], np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def answers(logits: np.ndarray) -> Answers:
    return Answers(scores=softmax(logits), logits=logits)


REFERENCE = answers(LOGITS)


def test_a_table_agrees_wholly_with_itself() -> None:
    fidelity = compare(REFERENCE, REFERENCE)
    assert (fidelity.top1_agreement, fidelity.max_abs_score_difference, fidelity.near_ties) == (1.0, 0.0, 0)
    assert fidelity.max_abs_logit_difference == 0.0
    assert fidelity.rank_correlation == pytest.approx(1.0)
    assert fidelity.verdict(suspect_below=0.99, suspect_above=1e-6) == ("ok", "")


def test_one_of_three_images_flipped_is_suspect_with_its_reason() -> None:
    fidelity = compare(Answers(scores=REFERENCE.scores), Answers(scores=REFERENCE.scores[:, [0, 2, 1]]))
    assert fidelity.top1_agreement == pytest.approx(2 / 3)
    status, reason = fidelity.verdict(suspect_below=0.99)
    assert status == "suspect"
    assert "66.7% of 3 images, expected at least 99%" in reason


def test_score_differences_are_the_largest_and_the_mean_of_the_table() -> None:
    moved = REFERENCE.scores.copy()
    moved[0, 0] -= 0.3
    fidelity = compare(REFERENCE, Answers(scores=moved))
    assert fidelity.compared == "scores"
    assert fidelity.max_abs_score_difference == pytest.approx(0.3)
    assert fidelity.mean_abs_score_difference == pytest.approx(0.3 / 9)
    assert fidelity.max_abs_logit_difference is None


def test_a_constant_added_to_all_logits_of_an_image_is_not_a_difference() -> None:
    fidelity = compare(REFERENCE, answers(LOGITS + np.float32([[5.0], [-2.0], [0.0]])))
    assert fidelity.compared == "logits"
    assert fidelity.max_abs_logit_difference == pytest.approx(0.0, abs=1e-6)


def test_one_logit_moved_by_d_is_a_difference_of_two_thirds_d_among_three_classes() -> None:
    moved = LOGITS.copy()
    moved[2, 1] -= 0.9
    fidelity = compare(REFERENCE, answers(moved))
    assert fidelity.max_abs_logit_difference == pytest.approx(0.6)  # centring moves the others by 0.3 each
    assert fidelity.mean_abs_logit_difference == pytest.approx(1.2 / 9)


def test_same_classes_with_other_logits_are_suspect_by_their_spread() -> None:
    fidelity = compare(REFERENCE, answers(1.5 * LOGITS))
    assert fidelity.top1_agreement == 1.0
    status, reason = fidelity.verdict(suspect_below=0.99, suspect_above=0.01)
    assert status == "suspect"
    assert "of their spread" in reason


def test_logits_come_back_from_probabilities_up_to_a_constant() -> None:
    fidelity = compare(REFERENCE, Answers(scores=REFERENCE.scores, logits=logits_of(REFERENCE.scores)))
    assert fidelity.max_abs_logit_difference == pytest.approx(0.0, abs=1e-5)


def test_a_class_whose_probability_vanished_is_left_out() -> None:
    logits = np.array([[0.0, -200.0, 1.0]], np.float32)
    reference = Answers(scores=softmax(logits), logits=logits_of(softmax(logits)))
    fidelity = compare(reference, answers(np.array([[0.0, -300.0, 1.0]], np.float32)))
    assert fidelity.max_abs_logit_difference == pytest.approx(0.0, abs=1e-5)
    assert fidelity.rank_correlation == pytest.approx(1.0)


def test_image_that_differs_less_than_the_model_from_itself_is_a_near_tie_and_counted_apart() -> None:
    flipped = LOGITS.copy()
    flipped[1, 2] = 0.6  # the Keras model had 0.5 and 0.499
    one_way, the_other = answers(flipped), REFERENCE
    own_difference = relative_differences(one_way, the_other)
    fidelity = compare(REFERENCE, answers(flipped), own_difference=own_difference)
    assert (fidelity.near_ties, fidelity.agreement_apart) == (1, 1.0)
    assert fidelity.top1_agreement == pytest.approx(2 / 3)
    assert fidelity.verdict(suspect_below=0.99, suspect_above=0.01) == ("ok", "")


def test_class_with_the_same_score_but_for_rounding_is_a_near_tie() -> None:
    even = np.array([[1.0, 1.0 - 1e-6, 0.0], [3.0, 0.0, 0.0], [3.0, 0.0, 0.0]], np.float32)
    fidelity = compare(answers(even), answers(np.where(even == 1.0, 1.0 - 2e-6, even)))
    assert (fidelity.near_ties, fidelity.agreement_apart) == (1, 1.0)


def test_model_without_any_opinion_is_not_blamed_on_its_artifact() -> None:
    nothing = np.random.default_rng(0).uniform(-1e-7, 0, (4, 10)).astype(np.float32)
    nothing[:, 0] = 1e-7
    fidelity = compare(answers(np.zeros((4, 10), np.float32)), answers(nothing))
    assert fidelity.relative_difference == pytest.approx(0.0, abs=0.01)


def test_image_that_differs_more_than_the_model_from_itself_is_not_a_near_tie() -> None:
    wrong = LOGITS.copy()
    wrong[1, 2] = 3.0
    fidelity = compare(REFERENCE, answers(wrong), own_difference=np.full(3, 0.01))
    assert fidelity.near_ties == 0
    assert fidelity.verdict(suspect_below=0.99)[0] == "suspect"


def test_image_on_which_rounding_decides_everything_judges_no_artifact() -> None:
    wrong = LOGITS.copy()
    wrong[1] = [9.0, -9.0, 0.0]
    fidelity = compare(REFERENCE, answers(wrong), own_difference=np.array([0.0, 0.6, 0.0]))
    assert fidelity.near_ties == 1


def test_nothing_but_near_ties_proves_nothing() -> None:
    fidelity = compare(REFERENCE, answers(LOGITS[:, ::-1]), own_difference=np.full(3, 10.0))
    status, reason = fidelity.verdict(suspect_below=0.99)
    assert (fidelity.near_ties, status) == (3, "suspect")
    assert "rounding alone decides" in reason


def test_reversed_ranking_has_correlation_minus_one() -> None:
    assert compare(REFERENCE, answers(-LOGITS)).rank_correlation == pytest.approx(-1.0)


def test_constant_scores_have_no_rank_correlation() -> None:
    assert compare(REFERENCE, Answers(scores=np.full_like(REFERENCE.scores, 1 / 3))).rank_correlation is None


def test_tables_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        compare(REFERENCE, Answers(scores=REFERENCE.scores[:1]))
