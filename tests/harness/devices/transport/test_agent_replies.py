"""What a board sends is text to be shown and values to be checked; nothing more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.devices.client import hello
from harness.devices.local import LocalDevice
from harness.devices.transport.faults import AgentError, AgentLost, Unreachable
from harness.devices.transport.replies import BadReply, cleaned, parsed
from harness.devices.transport.session import Session

ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202e"


def test_texts_are_printable_wherever_they_stand() -> None:
    answer = {"machine": {"hostname": ESCAPES}, "runtimes": [{"name": ESCAPES}, (ESCAPES,)], ESCAPES: b"\x1b", "n": 1.5}
    shown = cleaned(answer)
    assert "\x1b" not in str(shown["machine"])
    assert str(shown).isprintable()
    assert b"\x1b" in shown.values()
    assert shown["n"] == 1.5


def test_values_nested_without_end_are_refused() -> None:
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(BadReply, match="nested too deeply"):
        cleaned(nested)


@pytest.mark.parametrize("message", [None, [], "hello", {}, {"result": None}, {"error": {}}, {"progress": 3}, {1: 2}])
def test_what_is_no_reply_is_refused(message: Any) -> None:
    with pytest.raises(BadReply, match="expected progress, a result or an error, got"):
        parsed(message)


class Board:
    """A process and a channel that say what they are told to say."""

    class TimeoutError(Exception):
        pass

    class RemoteError(Exception):
        pass

    def __init__(self, *messages: Any) -> None:
        self._messages, self.killed = list(messages), False

    def send(self, message: Any) -> None:
        pass

    def receive(self, timeout: float) -> Any:
        message = self._messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    def kill(self) -> None:
        self.killed = True

    def exit_status(self) -> int:
        return -11

    def stderr_quote(self) -> str:
        return "Fatal Python error"

    def exit_report(self) -> str:
        return "signal 11 (segmentation fault)"


def test_a_board_that_sends_something_else_is_one_sentence_and_is_ended() -> None:
    board = Board("no reply")
    with pytest.raises(AgentError, match=r"the answer to hello is not one of the agent's: .*got 'no reply'"):
        Session("pi4", board, board).request("hello", deadline_s=1)
    assert board.killed


def test_an_answer_that_nobody_waits_for_any_more_is_no_answer_to_another_request() -> None:
    board = Board({"id": 1, "result": {"of": "the first"}}, {"id": 2, "result": {"of": "the second"}})
    session = Session("pi4", board, board)
    session.ask("predict", deadline_s=1)
    assert session.request("stat", deadline_s=1) == {"of": "the second"}


@pytest.mark.parametrize(
    "message",
    [
        {"error": {"kind": ESCAPES, "message": ESCAPES, "traceback": ESCAPES}},
        Board.RemoteError(f"Traceback\n{ESCAPES}: {ESCAPES}"),
        {"result": "\ud800" + ESCAPES},
    ],
)
def test_no_escape_code_of_a_board_reaches_a_terminal(message: Any) -> None:
    board = Board(message)
    with pytest.raises(AgentError) as caught:
        Session("pi4", board, board).request("hello", deadline_s=1)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_escape_codes_on_stderr_are_quoted_as_text(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf '\\033[2J\\033[31mowned' >&2; exit 3\n")
    python.chmod(0o755)
    with pytest.raises(Unreachable, match=r"exit status 3\n\\x1b\[2J\\x1b\[31mowned"):
        hello(LocalDevice(name="pi4", python=str(python)))


def test_a_flood_on_stderr_is_quoted_by_its_beginning_and_its_end(tmp_path: Path) -> None:
    python = tmp_path / "python"
    script = "import sys; sys.stderr.write('first words ' + 'x' * 50_000_000 + ' last words'); sys.exit(3)"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{script}"\n')
    python.chmod(0o755)
    with pytest.raises((Unreachable, AgentLost)) as caught:
        hello(LocalDevice(name="pi4", python=str(python)))
    assert "first words" in str(caught.value)
    assert "last words" in str(caught.value)
    assert len(str(caught.value)) < 4000
