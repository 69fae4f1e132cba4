"""The log of a run has all that was said, when it was said, whatever was shown of it."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from harness import saying
from harness.errors import BitlensError, ConfigError
from harness.store.run_log import LOG, logged

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4}  "


def lines(folder: Path) -> list[str]:
    return (folder / LOG).read_text().splitlines()


def test_all_is_logged_with_its_time_whatever_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(saying.show)
    saying.show(quiet=True)
    with logged(tmp_path):
        saying.say("4 units of work")
        saying.detail("one begins")
        saying.record("the result")
    saying.say("not of this run")
    assert capsys.readouterr().err == ""
    assert [bool(re.fullmatch(TIME + text, line)) for text, line in zip(_SAID, lines(tmp_path), strict=True)]


_SAID = ("4 units of work", "one begins", "the result")


def test_a_second_command_appends(tmp_path: Path) -> None:
    for _ in range(2):
        with logged(tmp_path):
            saying.say("a command")
    assert len(lines(tmp_path)) == 2


def test_what_ends_a_run_is_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(BitlensError), logged(tmp_path):
        raise BitlensError("the disk is full", hint="make room")
    [first, second] = lines(tmp_path)
    assert re.fullmatch(TIME + "ended by the disk is full", first)
    assert second == " " * 26 + "  try: make room"  # no line but the first of what is said looks like a line


def test_a_log_obeys_no_terminal(tmp_path: Path) -> None:
    with logged(tmp_path):
        saying.say("a name\x1b[2J\r\x00\udce9 of a file")
    assert lines(tmp_path)[0].endswith("a name\\x1b[2J\\x0d\\x00\\xe9 of a file")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOG).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=LOG), logged(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_in_one_sentence(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / LOG)
    with pytest.raises(ConfigError, match=LOG), logged(tmp_path):
        pass


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logged(tmp_path):
        full, [*_, log] = os.open("/dev/full", os.O_WRONLY), logging.getLogger("bitlens").handlers
        os.dup2(full, log.descriptor)  # type: ignore[attr-defined]
        os.close(full)
        saying.say("one")
        saying.say("two")
    ended = f"{LOG} cannot be written (No space left on device), and is not continued"
    assert capsys.readouterr().err.splitlines() == ["one", ended, "two"]
