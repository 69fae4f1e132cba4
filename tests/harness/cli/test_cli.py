"""The command line answers quickly, teaches, and ends with the promised exit codes."""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness import outputs
from harness.cli import explain
from harness.cli.app import command
from harness.cli.lists import LISTS
from harness.cli.verbs import VERBS
from harness.saliency import precision
from tests.harness.cli.terminal import in_terminal


def bitlens(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("what", LISTS)
def test_list_answers_without_importing_a_framework(what: str) -> None:
    code = (
        "import sys; sys.argv = ['bitlens', 'list', %r]\n"
        "from harness.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'tensorflow', 'larq', 'larq_compute_engine', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code % what], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + len(LISTS[what]())


@pytest.mark.parametrize("what", LISTS)
def test_list_prints_json(what: str) -> None:
    rows = json.loads(bitlens("list", what, "--json").stdout)
    assert [row["name"] for row in rows] == [row["name"] for row in LISTS[what]()]


def test_every_command_has_help() -> None:
    overview = bitlens("--help").stdout
    for verb in VERBS:
        assert re.search(rf"^\W*{verb} +[A-Z]", overview, re.MULTILINE), verb
    for verb in ("run", "device"):
        assert re.search(rf"Usage: .* {verb} ", bitlens(verb, "--help").stdout)


def test_the_version_is_the_installed_packages() -> None:
    assert bitlens("--version").stdout == f"bitlens {version('bitlens')}\n"


@pytest.mark.parametrize("verb", [[], ["run"], ["device", "list"]])
def test_the_short_option_for_help_gives_the_same_as_the_long_one(verb: list[str]) -> None:
    assert bitlens(*verb, "-h").stdout == bitlens(*verb, "--help").stdout != ""


def test_the_overview_says_of_a_verb_what_its_own_help_begins_with() -> None:
    assert {name: verb.summary for name, verb in VERBS.items()} == {
        name: command(name).help.split("\n\n")[0].replace("\n", " ") for name in VERBS
    }


IMPORTED_BY_THE_OVERVIEW = (
    *("cli", "cli.app", "cli.help", "cli.invocation", "cli.main", "cli.verbs"),
    *("errors", "keras_packages", "registry", "temporary", "terminal"),
)


@pytest.mark.parametrize("asked", [["--help"], [], ["rn"]], ids=["help", "nothing", "a mistake"])
def test_what_needs_no_verb_imports_none(asked: list[str]) -> None:
    """The overview is there at once: nothing of a verb is imported, nor any library but the command line's own."""
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['bitlens', *%r]\n"
        "from harness.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "new = set(sys.modules) - before\n"
        "print(sorted(new), file=open(%r, 'w'))\n"
    )
    with tempfile.NamedTemporaryFile("r", prefix="bitlens-") as file:
        subprocess.run([sys.executable, "-c", code % (asked, file.name)], capture_output=True, timeout=60, check=True)
        imported = set(ast.literal_eval(file.read()))
    assert not imported & {"numpy", "tensorflow", "sqlite3", "pandas", "scipy", "dask", "PIL", "rich"}
    ours = {name for name in imported if name.partition(".")[0] in ("harness", "converters", "device", "reports")}
    assert ours == {"harness", *(f"harness.{name}" for name in IMPORTED_BY_THE_OVERVIEW)}


def test_the_help_of_a_verb_imports_no_library_but_the_command_lines_own() -> None:
    code = (
        "import sys\n"
        "from harness.cli.app import VERBS, command\n"
        "for name in VERBS:\n"
        "    made = command(name)\n"
        "    made.get_help(made.context_class(made, info_name=name))\n"
        "heavy = {'numpy', 'tensorflow', 'sqlite3', 'pandas', 'scipy', 'dask', 'PIL', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def _commands() -> Iterator[tuple[list[str], Any]]:
    """Each command that does something, with the words that call it."""
    for name in VERBS:
        made = command(name)
        for inner, of_group in getattr(made, "commands", {}).items():
            yield [name, inner], of_group
        if not hasattr(made, "commands"):
            yield [name], made


@pytest.mark.parametrize(("words", "made"), _commands(), ids=lambda value: "-".join(value) if value is list else None)
def test_each_verb_has_examples_that_it_takes(words: list[str], made: Any) -> None:
    examples = made.epilog.splitlines()
    assert examples
    for example in examples:
        typed = list(itertools.takewhile(lambda word: word != ">", shlex.split(example)))
        assert typed[: 1 + len(words)] == ["bitlens", *words]
        made.make_context(words[-1], typed[1 + len(words) :])  # refuses what is no option, and what is lacking
        assert f"  {example}\n" in made.get_help(made.context_class(made, info_name=words[-1])) + "\n"


def test_help_of_explain_names_the_kinds_of_outputs_and_the_precisions_that_exist() -> None:
    assert tuple(outputs.KINDS) == explain.KINDS
    assert explain.PRECISIONS == precision.PRECISIONS


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("bitlens run --re", ["--retry-failed"]),
        ("bitlens device s", ["setup", "stop"]),
        ("bitlens exp", ["explain", "export"]),
    ],
)
def test_a_shell_completes_verbs_and_their_options(typed: str, offered: list[str]) -> None:
    asked = {"_BITLENS_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [Path(sys.executable).with_name("bitlens")],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert sorted(done.stdout.split()) == offered


def test_headings_are_bold_on_a_terminal_that_has_colours_alone() -> None:
    shown = {plain: in_terminal(["--help"], NO_COLOR=plain) for plain in ("", "1")}
    assert "\x1b[1mDevices" in shown[""]
    assert "\x1b" not in shown["1"]
    assert "\x1b" not in in_terminal(["--help"], TERM="dumb")
    assert "\x1b" not in bitlens("--help").stdout


def test_mistake_in_the_experiment_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text('models = ["planted-flaot"]\n[dataset]\nkind = "planted"\n')
    done = bitlens("run", str(path))
    assert done.returncode == 2
    assert done.stderr == (
        'bitlens: e.toml models: expected a model of the catalogue, got "planted-flaot"\n  try: "planted-float"\n'
    )


def test_unknown_command_suggests_the_nearest() -> None:
    done = bitlens("rn")
    assert done.returncode == 2
    assert "run" in done.stderr


def test_ctrl_c_says_what_is_kept_and_which_command_goes_on() -> None:
    code = (
        "import os, signal, sys; sys.argv = ['bitlens', 'list']\n"
        "from harness.cli import app, main\n"
        "app.resolve = lambda load: lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130
    assert done.stderr.strip().startswith("bitlens: stopped; all that was finished is kept\n  try: ")
