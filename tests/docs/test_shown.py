"""What pages show is found, and what can be checked at once is right: options, TOML."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import tomllib
from typer.testing import CliRunner

from harness.cli.app import app
from tests.docs.shown import PAGES, ROOT, Block, blocks, commands, comparable, inline_commands

TOML = [block for page in PAGES for block in blocks(page) if block.is_toml]


def test_commands_have_the_output_that_stands_below_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n\n    make a    # builds\n    make b\n\nWhat it prints:\n\n    one 1\n\n    two\n\n- text\n    make c\n"
    )
    first, second = commands(page)
    assert (first.text, first.output) == ("make a", ("one 1", "two"))
    assert (second.text, second.output) == ("make b", ())


def test_every_page_with_commands_is_found() -> None:
    assert {page.name for page in PAGES if commands(page)} >= {"README.md", "devices.md", "scaling.md", "inspect.md"}


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ("measuring accuracy 1/6: a on b (1.5 s; 39/min, 8 s left)", "measuring accuracy 3/6: c (2 min)"),
        ("file   a, 4,652 bytes", "file a, 17 bytes"),
        (f"sha256 {'5425e83f' * 8}", f"sha256 {'0a' * 32}"),
        ("MACs 0.0415 M binary", "MACs 1e-5 M binary"),
    ],
)
def test_lines_that_differ_in_figures_are_the_same(shown: str, real: str) -> None:
    assert comparable(shown) == comparable(real)


def test_lines_that_differ_in_words_are_not() -> None:
    assert comparable("1 of 8 is invalid") != comparable("1 of 8 is suspect")
    assert comparable("measuring accuracy 1/6: a") != comparable("measuring latency 1/6: a")


@cache
def options_of(verb: str) -> frozenset[str]:
    """The options in the help of a command such as "device setup"."""
    done = CliRunner().invoke(app, [*verb.split(), "--help"], env={"COLUMNS": "400", "NO_COLOR": "1"})
    assert done.exit_code == 0, done.output
    return frozenset(re.findall(r"--?[a-z][a-z-]*", done.output))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_option_that_a_page_shows_exists(page: Path) -> None:
    for text in [*inline_commands(page), *(each.text for each in commands(page))]:
        words = shlex.split(text)[1:]
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        if text.startswith("bitlens ") and options:
            verb = " ".join(words[:2]) if words[0] in ("device", "list") else words[0]
            assert options - options_of(verb) - {"--help"} == set(), text


@pytest.mark.parametrize("block", TOML, ids=lambda block: f"{block.page.name}:{block.line}")
def test_toml_that_a_page_shows_is_toml(block: Block) -> None:
    text = "\n".join(line for line in block.text.splitlines() if line not in block.commands)
    assert tomllib.loads(text) or text.startswith("#:schema")
