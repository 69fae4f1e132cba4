"""Shares of a whole as people read them: percentages that add up to 100."""

from __future__ import annotations

from collections.abc import Sequence

STEPS = 1000  # tenths of a percent


def percentages(parts: Sequence[float]) -> list[str]:
    """ "62.3 %" for each part of their sum. What rounding leaves over goes to those that lost most by it.

    Parts are at least 0; of nothing, the shares are "".
    """
    whole = sum(parts)
    if not whole:
        return [""] * len(parts)
    exact = [part / whole * STEPS for part in parts]
    steps = [int(share) for share in exact]
    by_loss = sorted(range(len(parts)), key=lambda i: (steps[i] - exact[i], i))
    for i in by_loss[: STEPS - sum(steps)]:
        steps[i] += 1
    return [f"{step / 10:.1f} %" for step in steps]
