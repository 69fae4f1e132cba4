"""Every command of the README and of docs/ runs in a fresh clone, and prints what the page shows but for figures.

What cannot run here is in NOT_RUN, with the reason, and each such command is skipped aloud. Files that pages take for
granted, such as photo.png or mine.h5, are made by `staged_files.py`. `pi4` is this machine under that name.

    python -m pytest -m slow tests/docs/test_walk.py      # BITLENS_WALK=FOLDER takes a clone with its .venv instead
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.shown import PAGES, ROOT, Command, blocks, commands, comparable

pytestmark = pytest.mark.slow

SECONDS = 3600
# The first words of commands that are not run, why, and what covers them.
NOT_RUN = {
    "apt install": "changes the system; tests/test_bare_systems.py runs `make demo` on what it installs",
    "apt-get install": "changes the system",
    "curl": "needs the internet; tests/test_examples.py reads a small archive of the same form",
    "pip install": "changes the Python that runs it; tests/test_demo.py and .ci/cross-version install the wheel",
    "make test": "takes half an hour: CI runs it",
    "ssh pi@": "needs a board; tests/vm/test_first_board.py runs it on one that boots",
    "bitlens device setup": "needs a board; tests/vm/test_first_board.py runs it on one that boots",
    "bitlens device remove": "needs a board; tests/vm runs it on one that boots",
    "bitlens device stop": "needs a virtual machine; tests/vm runs it",
    "bitlens doctor vm-": "needs a virtual machine; tests/vm runs it",
    "bitlens bench model.tflite --device vm-": "needs a virtual machine; tests/vm runs it",
    "BITLENS_VM_CUTS": "takes hours: a suite of its own",
    "bitlens run examples/twins.toml": "takes hours; `bitlens plan` reads it instead",
    "bitlens run examples/deployment-gap.toml": "takes ten minutes; `bitlens plan` reads it instead",
    "bitlens run examples/ablation.toml": "takes 40 minutes; `bitlens plan` reads it instead",
    "bitlens run examples/estimators.toml": "takes ten minutes; `bitlens plan` reads it instead",
    "bitlens report runs/twins": "needs the run of examples/twins.toml",
    "python benchmarks/cam_layers.py": "needs data and model files; tests/benchmarks measures a small model",
    "python -m tests.fuzz": "takes hours; tests/fuzz runs a small part of it",
    "python examples/gallery.py": "takes an hour and writes into docs/; `make demo` is run",
    "dask": "needs other machines; tests/harness/execution/test_secure_cluster.py starts a cluster here",
    "bitlens run study.toml --cluster": "needs other machines; tests/harness/execution/test_secure_cluster.py",
}
# Lines that say what one machine measured, where another prints others: rows of the verdict, and its reasons.
MEASURED = re.compile(
    r"\s+\w+-(float|binary)  |.*\b(deployments?|latenc(y|ies))( \(.*\))? (is|are)\b|  model  |this-host: |…$|\.\.\.$"
)
ALL = [command for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of what is committed, with the environment of `make setup` and the files that pages name."""
    given = os.environ.get("BITLENS_WALK")
    folder = Path(given) if given else tmp_path_factory.mktemp("walk") / "bitlens"
    if not given:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        made = subprocess.run(["make", "setup"], cwd=folder, capture_output=True, text=True, timeout=SECONDS)
        if made.returncode != 0:
            pytest.skip(f"no environment could be made: {made.stderr.strip().splitlines()[-1]}")
    stage = [str(folder / ".venv/bin/python"), str(Path(__file__).with_name("staged_files.py")), str(folder)]
    subprocess.run(stage, cwd=folder, env=environment(folder), check=True, timeout=SECONDS)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """A user's own, with the environment of the clone first on the path, as after `. .venv/bin/activate`."""
    path = os.pathsep.join([str(folder / ".venv" / "bin"), os.environ["PATH"]])
    home = {f"XDG_{name}_HOME": str(folder.parent / f"{folder.name}-{name.lower()}") for name in ("CONFIG", "STATE")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "BITLENS", "COV"))}
    return {**kept, **home, "PATH": path, "PYTHONPATH": str(folder)}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = ["bash", "-c", command]
    return subprocess.run(words, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=SECONDS)


@pytest.mark.parametrize("command", ALL, ids=lambda command: f"{command.place} {command.text[:60]}")
def test_the_command_runs_and_prints_what_the_page_shows(command: Command, clone: Path) -> None:
    reason = next((why for words, why in NOT_RUN.items() if command.text.startswith(words)), None)
    if reason is not None:
        pytest.skip(f"NOT RUN: {command.text}: {reason}")
    write_experiment_above(command, clone)
    if command.text == "make demo":  # each page shows the first one, and another page has run it
        shutil.rmtree(clone / "runs" / "demo", ignore_errors=True)
    done = run(command.text, clone)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = {comparable(line) for line in (done.stdout + done.stderr).splitlines()}
    shown = [line for line in command.output if not MEASURED.match(line)]
    assert [line for line in shown if comparable(line) not in printed] == []


def write_experiment_above(command: Command, clone: Path) -> None:
    """Where a page shows a file first and then the command that takes it, the file is the page's."""
    name = command.text.removeprefix("bitlens run ")
    for block in blocks(command.page):
        if block.is_toml and block.line <= command.line < block.line + block.text.count("\n") + 1:
            text = "\n".join(line for line in block.text.splitlines() if line not in block.commands)
            (clone / name).write_text(f"{text}\n")


@pytest.mark.parametrize("words", NOT_RUN)
def test_nothing_is_left_out_that_no_page_shows(words: str) -> None:
    assert any(command.text.startswith(words) for page in PAGES for command in commands(page)), words


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_an_example_that_takes_hours_can_be_planned(example: Path, clone: Path) -> None:
    done = run(f"bitlens plan examples/{example.name} --out plans/{example.stem}", clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("stage ")


def test_python_that_a_page_shows_runs(clone: Path) -> None:
    """In the order of the page; docs/saliency.md has a test of its own."""
    for page, folder in ((ROOT / "docs/csv.md", clone / "runs/first"), (ROOT / "docs/lce-operators.md", clone)):
        code = "\n".join(block.text for block in blocks(page) if block.language == "python")
        code = code.replace("from tflite_runtime.interpreter import", "from ai_edge_litert.interpreter import")
        python = [str(clone / ".venv/bin/python"), "-c", code]
        done = subprocess.run(python, cwd=folder, env=environment(clone), capture_output=True, text=True)
        assert done.returncode == 0, f"{page.name}: {done.stderr}"
