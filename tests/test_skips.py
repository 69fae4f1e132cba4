"""The summary of skipped tests."""

from __future__ import annotations

from tests.skips import skip_lines


def test_each_reason_has_its_count_and_what_to_install() -> None:
    reasons = ["Skipped: no C++ compiler\n  try: apt install g++", "Skipped: needs sshd: apt install openssh-server"]
    assert skip_lines([*reasons, reasons[0]]) == [
        "    2 no C++ compiler; try: apt install g++",
        "    1 needs sshd: apt install openssh-server",
    ]


def test_a_run_that_skips_nothing_says_nothing() -> None:
    assert skip_lines([]) == []
