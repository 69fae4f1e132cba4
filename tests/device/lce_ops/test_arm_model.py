"""The NEON kernels cost what they were made to cost, by the model of `benchmarks/arm_model.py`."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks import arm_model
from harness.errors import BitlensError

# Model cycles for one tile of 64 channels with a residual, floats and signs; before its end was rewritten it took 3106,
# 888 and 699.
MOST_CYCLES = {"A53": 1800, "A72": 740, "A76": 630}


@cache
def figures() -> list[arm_model.Figure]:
    try:
        return arm_model.measure(arm_model.ROOT, [("residual", 64), ("quantize-floats", 128)])
    except arm_model.NoTool as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize("core", MOST_CYCLES)
def test_tile_takes_no_more_cycles_than_it_was_made_for(core: str) -> None:
    found = [figure for figure in figures() if (figure.kind, figure.core) == ("residual", core)]
    if not found:
        pytest.skip(f"needs LLVM {arm_model.OLDEST_WITH_N1} or later for a model of the {core}")
    assert found[0].cycles <= MOST_CYCLES[core]
    assert found[0].of_bound is not None
    assert 0.4 < found[0].of_bound < 1


def test_quantizing_128_floats_takes_fewer_instructions_than_values() -> None:
    figure = next(figure for figure in figures() if figure.kind == "quantize-floats")
    assert 16 + 32 < figure.instructions < 128  # it cannot do with less than its loads and comparisons


def test_model_counts_the_cycles_of_a_chain_and_of_independent_instructions() -> None:
    """An addition waits for the one whose result it needs; two pipes begin two independent ones at a time."""
    figures()
    chain = arm_model.cycles(["add v0.4s, v0.4s, v1.4s"] * 8, "A72")
    free = arm_model.cycles([f"add v{i}.4s, v30.4s, v31.4s" for i in range(8)], "A72")
    assert chain == pytest.approx(24, rel=0.05)
    assert free == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        ("b.ne\t0x2104 <conv_tile+0x40>", "b.ne\t0"),
        ("cbz\tx8, 0x2104 <conv_tile+0x40>", "cbz\tx8, 0"),
        ("adrp\tx8, 0x21000 <start+0x8>", "adrp\tx8, 0"),
        ("bic\tv0.4s, #0xff", "bic\tv0.4s, #0xff"),
        ("mov\tw8, #0x10                   // =16", "mov\tw8, #0x10"),
    ],
)
def test_instructions_lose_their_targets_and_nothing_else(printed: str, kept: str) -> None:
    assert arm_model.without_target(printed) == kept


def test_ratios_compare_two_checkouts_case_by_case() -> None:
    figure = arm_model.Figure
    now = [figure("residual", 64, "A72", 1400, 650.0), figure("quantize-int8", 128, "A72", 40, 19.0)]
    before = [figure("residual", 64, "A72", 1863, 884.0)]
    ratios = arm_model.ratios(now, before)
    assert ratios["times faster: float + residual + sign, 64, A72"].value == pytest.approx(1.36)
    assert ratios["of bound: float + residual + sign, 64, A72"].value == pytest.approx(18 * 24 / 650)
    assert len(ratios) == 2


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    arm_model.llvm.cache_clear()
    with pytest.raises(BitlensError, match=r"llvm-mca .* not here\n  try: apt install llvm"):
        arm_model.llvm()
    arm_model.llvm.cache_clear()
