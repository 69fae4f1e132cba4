"""The command that is named to be given again is one that the shell takes as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.app import command
from harness.cli.invocation import as_typed, from_anywhere, with_option


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two environments with a program of this name each; the shell finds that of the first."""
    for name in ("first", "it's second"):
        program = tmp_path / name / "bitlens"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "{program.parent.name}:" "$@"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'first'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("bitlens", "bitlens"),
        ("first/bitlens", "bitlens"),
        ("it's second/bitlens", "'it'\"'\"'s second/bitlens'"),
        ("/somewhere/harness/cli/main.py", "bitlens"),
    ],
)
def test_a_program_that_the_shell_does_not_find_by_its_name_is_named_as_it_was_typed(
    programs: Path, monkeypatch: pytest.MonkeyPatch, program: str, line: str
) -> None:
    monkeypatch.setattr(sys, "argv", [program, "run", "my study.toml", "--out", "$HOME; ls"])
    assert as_typed() == f"{line} run 'my study.toml' --out '$HOME; ls'"
    shown = subprocess.run(from_anywhere(), shell=True, cwd="/", capture_output=True, text=True, check=True).stdout
    environment = "it's second" if "second" in program else "first"
    assert shown == f"{environment}: run my study.toml --out $HOME; ls\n"


def test_a_program_that_the_shell_does_not_find_at_all_is_named_by_its_path(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(sys, "argv", ["first/bitlens", "demo"])
    assert as_typed() == "first/bitlens demo"


@pytest.mark.parametrize("typed", [["bitlens", "demo"], ["bitlens", "demo", "--retry-failed"]])
def test_an_option_is_added_unless_it_is_there(monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    monkeypatch.setattr(sys, "argv", typed)
    assert with_option("--retry-failed") == "bitlens demo --retry-failed"


@pytest.mark.parametrize("verb", ["run", "demo", "convert"])
def test_each_verb_that_names_the_option_has_it(verb: str) -> None:
    assert any("--retry-failed" in parameter.opts for parameter in command(verb).params)
