"""A few of the changed model files in every run of the tests, two thousand in the slow one."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.model_files import run


@pytest.mark.parametrize("count", [25, pytest.param(2000, marks=pytest.mark.slow)])
def test_changed_model_files_become_models_or_sentences_and_nothing_else(count: int) -> None:
    results = run(count=count, seed=count)
    assert [result for result in results if result["broken"]] == []
    assert len(results) == count
    outcomes = Counter(result["outcome"] for result in results)
    assert {"model", "not on the list", "unreadable"} <= outcomes.keys(), "the changes reach every gate"
