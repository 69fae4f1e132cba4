"""What values say of a classifier's outputs: which kind fits, which are contradicted, and by which numbers.

Nothing here knows where the values come from. A kind is named as in `outputs.KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]  # floats (..., columns)

ROUNDING = 1e-3  # of half floats that sum to 1
LAST_BITS = 1e-5  # of the greatest probability: how far below 0 one may be; what lies further below is none
CLIPPED = 0.02  # how far a sum may be from 1 where probabilities were clipped: a sentence about them stays true
DOUBT = 0.1  # sums closer to 1 than this may be those of sigmoids that were trained on one class for each image
TURNED = "and are logarithms of probabilities with their signs turned"
ORDERED = 'and are in order in every row, as those of "at least class 1, at least class 2, ..." are: no class each'
LEAST_IN_ORDER = 3  # columns: two are in order where a model always says the same
FAR = (30.0, 1000.0)  # how many times outside of the usual range


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Outputs (n, columns) on images and on probes like them (`usual`), and on inputs far outside (`extreme`)."""

    usual: Rows
    extreme: Rows = field(default_factory=lambda: np.zeros((0, 1)))

    @property
    def low(self) -> float:
        return float(min(self.usual.min(), self.extreme.min(initial=np.inf)))

    @property
    def high(self) -> float:
        return float(max(self.usual.max(), self.extreme.max(initial=-np.inf)))

    @property
    def stays_in_0_to_1(self) -> bool:
        return self.low >= -LAST_BITS * self.high and self.high <= 1 + ROUNDING

    def __str__(self) -> str:
        """The values in words."""
        return f"they lie between {_short(self.low)} and {_short(self.high)}"


def probes(inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs (n, H, W, C) in the range of those given, and inputs far outside of it. The same ones at every call."""
    shape, rng = inputs.shape[1:], np.random.default_rng(0)
    low, high = float(inputs.min()), float(inputs.max())
    middle, half = (low + high) / 2, (high - low) / 2 or 1.0
    image = inputs[0].astype(np.float64) - middle
    noise = [half * rng.uniform(-1, 1, shape) for _ in range(3)]
    usual = [np.full(shape, low), np.full(shape, high), *(middle + part for part in (0 * image, image / 4, *noise))]
    extreme = [sign * factor * part for part in (noise[0], image) for factor in FAR for sign in (1, -1)]
    extreme += [np.full(shape, sign * FAR[-1] * half) for sign in (1, -1)]
    return _in_single(usual), _in_single(extreme)


def _in_single(inputs: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    most = np.finfo(np.float32).max
    return np.clip(np.array(inputs), -most, most).astype(np.float32)


def kind_by_values(evidence: Evidence) -> tuple[str, str]:
    """(the kind, ""), or ("", what speaks against saying one)."""
    if evidence.usual.shape[1] == 1:
        return _kind_of_one_column(evidence)
    return _kind_of_columns(evidence)


def contradiction(outputs: Rows, kind: str, *, sums: bool = True) -> str:
    """What of outputs (..., columns) cannot be of this kind; "" if nothing is. `sums` False: by single numbers."""
    if outputs.size == 0:
        return ""
    columns = outputs.shape[-1]
    if (kind in ("probability", "logit")) != (columns == 1):
        return "in one column" if columns == 1 else f"in {columns} columns"
    low, high = float(np.min(outputs)), float(np.max(outputs))
    if kind in ("probability", "independent-probabilities", "probabilities") and not (
        -ROUNDING <= low <= high <= 1.001
    ):
        return "outside of 0 to 1"
    if kind == "scaled-probabilities" and low < -ROUNDING * high:
        return "some below 0"
    if kind == "log-probabilities" and high > ROUNDING:
        return "some above 0"
    return _sums_against(np.asarray(outputs, np.float64).reshape(-1, columns), kind) if sums else ""


def against_all_the_same(evidence: Evidence, declared: str, kind: str) -> str:
    """Why a kind is not the declared one although no number by itself says so; "" where it may be."""
    if kind == "log-probabilities":
        return "their exponentials sum to 1"
    if "logit" in declared:
        return "on inputs far outside of the usual range as well, where logits leave 0 to 1"
    nearly = kind == "probabilities" and np.abs(evidence.usual.sum(axis=1) - 1).max() > ROUNDING
    return "" if nearly else _said_of_sums(evidence.usual)


def _sums_against(rows: NDArray[np.float64], kind: str) -> str:
    totals = rows.sum(axis=1)
    if kind == "probabilities" and np.abs(totals - 1).max() > DOUBT:
        return _said_of_sums(rows)
    if kind == "scaled-probabilities" and not np.ptp(totals) <= DOUBT * totals.max():
        return _said_of_sums(rows)
    if kind == "log-probabilities" and np.abs(_log_totals(rows)).max() > DOUBT:
        return f"their exponentials sum to {_short(float(np.exp(_log_totals(rows)).max()))}"
    return ""


def _kind_of_one_column(evidence: Evidence) -> tuple[str, str]:
    low, high = evidence.low, evidence.high
    if low == high:
        return "", "whatever it is shown" + (": a softmax over one class is always 1" if high == 1 else "")
    if evidence.stays_in_0_to_1 and high > ROUNDING:
        return "probability", ""
    return ("logit", "") if not (doubt := _doubt_of_logits(evidence)) else ("", doubt)


def _kind_of_columns(evidence: Evidence) -> tuple[str, str]:
    totals = evidence.usual.sum(axis=1)
    off = float(np.abs(totals - 1).max())
    if evidence.stays_in_0_to_1:
        if off <= CLIPPED:
            return "probabilities", ""
        if off <= DOUBT:
            return "", f"and {_said_of_sums(evidence.usual)}: nearly 1"
    changes = float(np.ptp(evidence.usual, axis=0).sum())
    if changes > 0 and evidence.low >= -LAST_BITS * evidence.high and _have_one_sum(totals, changes):
        if evidence.high > 1 + ROUNDING or totals.max() < 1:
            return "scaled-probabilities", ""
        return "", f"and {_said_of_sums(evidence.usual)}"
    if evidence.high <= ROUNDING and np.abs(_log_totals(evidence.usual)).max() <= ROUNDING:
        return "log-probabilities", ""
    if evidence.stays_in_0_to_1 and evidence.high > ROUNDING:
        if changes == 0:
            return "", "whatever it is shown"
        if np.median(np.abs(totals - 1)) <= ROUNDING:
            return "", f"and {_said_of_sums(evidence.usual)}, mostly to 1"
        return ("independent-probabilities", "") if not _are_in_order(evidence) else ("", ORDERED)
    if evidence.low >= 0 and np.abs(_log_totals(-evidence.usual)).max() <= ROUNDING:
        return "", TURNED
    return ("logits", "") if not (doubt := _doubt_of_logits(evidence)) else ("", doubt)


def _have_one_sum(totals: Rows, changes: float) -> bool:
    """Whether rows have one sum but for rounding, and not because their columns hardly change."""
    return bool(np.ptp(totals) <= CLIPPED / 2 * min(totals.max(), changes))


def _doubt_of_logits(evidence: Evidence) -> str:
    """Why values that are no probabilities need not be logits: something keeps them within bounds."""
    low, high = evidence.low, evidence.high
    if -1 <= low < -1 + ROUNDING and high <= 1:
        return "as those of a tanh do"
    if low >= 0 and high > 0:
        return "never below 0: neither logits nor probabilities"
    if -ROUNDING < high <= 0 and low < 0:
        return "never above 0, as logarithms of probabilities do"
    return ORDERED if _are_in_order(evidence) else ""


def _are_in_order(evidence: Evidence) -> bool:
    """Whether columns, three or more, fall or rise in every row, whatever the input: those of classes do not, since an
    input and its negative turn their order around."""
    rows = np.concatenate([evidence.usual, evidence.extreme]) if evidence.extreme.size else evidence.usual
    if rows.shape[1] < LEAST_IN_ORDER:
        return False
    steps, error = np.diff(rows, axis=1), LAST_BITS * np.abs(rows).max(axis=1, keepdims=True)
    return bool((steps <= error).all() or (steps >= -error).all()) and bool(np.ptp(evidence.usual, axis=0).any())


def _log_totals(rows: Rows) -> NDArray[np.float64]:
    top = rows.max(axis=1)
    totals: NDArray[np.float64] = top + np.log(np.exp(rows - top[:, None]).sum(axis=1))
    return totals


def _said_of_sums(rows: Rows) -> str:
    totals = rows.sum(axis=1)
    low, high = _short(float(totals.min())), _short(float(totals.max()))
    return f"its rows sum to {low}" if low == high else f"its rows sum to {low} to {high}"


def _short(value: float) -> str:
    return f"{value:.4g}"
