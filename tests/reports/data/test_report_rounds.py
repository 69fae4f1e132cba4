"""What several rounds of one row are worth together."""

from __future__ import annotations

from reports.data.rounds import together


def test_a_reason_of_several_rounds_is_said_once() -> None:
    rounds = [
        {"verdict": "suspect", "verdict_reason": "drifting; virtual machine", "samples_ns": [100]},
        {"verdict": "valid", "verdict_reason": "", "samples_ns": [100]},
        {"verdict": "suspect", "verdict_reason": "virtual machine", "samples_ns": [100]},
    ]
    assert together(rounds) == ("suspect", "drifting; virtual machine")
