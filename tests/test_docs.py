"""What the documents show is true: links lead somewhere, commands exist, tables and files are quoted exactly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib
import typer.main

from harness.cli.app import app
from harness.cli.run import DEMO
from harness.models.catalogue import CATALOGUE, model_card

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ARCHITECTURE, INDEX = ROOT / "docs" / "architecture.md", ROOT / "docs" / "README.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
OURS = ("harness", "converters", "device", "reports", "tests", "benchmarks")
QUESTIONS = (
    "a saliency method",
    "a metric",
    "a device kind",
    "a CSV column",
    "how p99 is computed",
    "a data set kind",
    "the retry rule of SSH",
    "a format",
    "a section of the report",
    "what a unit's key hashes",
)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
TWINS = [name for name, entry in CATALOGUE.items() if entry.weights == "trained" and not entry.shuffled]


def twins_table() -> str:
    """The table of our own models, from their model cards."""
    lines = ["| model | data | top-1 on the test split | images | weights made by |", "|---|---|---|---|---|"]
    for name in TWINS:
        card = model_card(name)
        assert card is not None, name
        lines.append(
            f"| `{name}` | {card['data']} | {card['top1']:.1%} | {card['test_images']:,} | `{card['command']}` |"
        )
    return "\n".join(lines)


def test_readme_and_help_ask_the_same_question() -> None:
    question = str(typer.main.get_command(app).help).splitlines()[0]
    assert question.startswith("Which model, in which format, on which board: ")
    assert f"\n\n**{question}**\n\n" in (ROOT / "README.md").read_text()


def test_the_first_run_shows_the_demo_experiment_as_it_is() -> None:
    experiment = DEMO.read_text()
    quoted = "\n".join(f"    {line}".rstrip() for line in experiment.splitlines())
    assert quoted in (ROOT / "docs/first-run.md").read_text()


def test_the_page_of_models_shows_their_measured_accuracy() -> None:
    assert twins_table() in (ROOT / "docs/models.md").read_text()


@pytest.mark.parametrize(
    ("name", "least"),
    [("planted-float", 0.97), ("planted-binary", 0.92), ("cifar-float", 0.80), ("cifar-binary", 0.70)],
)
def test_our_models_are_good_enough_to_be_compared(name: str, least: float) -> None:
    card = model_card(name)
    assert card is not None
    assert card["top1"] >= least
    assert card["test_images"] >= 5000


def test_every_promise_of_the_security_page_names_tests_that_exist() -> None:
    rows = re.findall(
        r"^\| (?!promise|---)(.+?) \| (.+?) \|$", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE
    )
    assert rows
    for promise, tests in rows:
        names = re.findall(r"`([\w/.]*)::(\w+)`", tests)
        assert names, promise
        file = ""
        for path, name in names:
            file = path or file
            assert f"def {name}(" in (ROOT / "tests" / file).read_text(), f"{promise}: {file}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_documents_mention_exist(page: Path) -> None:
    mentioned = re.findall(r"`(?:\$ )?bitlens ([a-z][a-z-]*)", page.read_text())
    assert [name for name in mentioned if name not in COMMANDS] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_has_help(name: str) -> None:
    assert COMMANDS[name].help
    assert any(f"bitlens {name}" in page.read_text() for page in PAGES), name


def paths_in(text: str) -> list[str]:
    """The files and folders that a text names in backticks: whatever has a slash in it."""
    return re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", text)


@pytest.mark.parametrize("page", [ARCHITECTURE, INDEX, *DECISIONS], ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    assert [path for path in paths_in(text) if not (ROOT / path).exists()] == []
    modules = {path.name for folder in OURS for path in (ROOT / folder).rglob("*.py")}
    assert set(re.findall(r"`(\w+\.py)`", text)) - modules == set()


@pytest.mark.parametrize("top", ["harness", "reports"])
def test_architecture_names_every_folder(top: str) -> None:
    folders = {f"{top}/{init.parent.name}/" for init in (ROOT / top).glob("*/__init__.py")}
    assert folders - set(paths_in(ARCHITECTURE.read_text())) == set()


def test_architecture_names_every_module_of_the_ground() -> None:
    modules = {f"harness/{path.name}" for path in (ROOT / "harness").glob("*.py") if path.name != "__init__.py"}
    assert modules - set(paths_in(ARCHITECTURE.read_text())) == set()


def test_architecture_says_where_to_change_each_of_ten_things() -> None:
    asked = re.findall(r"^### Where do I change (.+)\?$", ARCHITECTURE.read_text(), flags=re.MULTILINE)
    assert asked == list(QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS)
def test_answer_names_the_place_its_test_and_its_page(question: str) -> None:
    answer = ARCHITECTURE.read_text().split(f"### Where do I change {question}?\n")[1].split("\n### ")[0]
    paths = paths_in(answer)
    assert any((ROOT / path).is_file() and path.endswith(".py") for path in paths)
    assert any(path.startswith("tests/") for path in paths)
    assert any(path.startswith("docs/") for path in paths)


def test_index_leads_to_every_page_once() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", INDEX.read_text())
    pages = {(INDEX.parent / target).resolve() for target in targets}
    assert pages == {page.resolve() for page in PAGES if page != INDEX}
    assert len(targets) == len(pages)


def test_index_calls_each_decision_by_its_title() -> None:
    titles = {page.read_text().splitlines()[0].removeprefix("# "): page.name for page in DECISIONS}
    assert dict(re.findall(r"\* \[(\d+\. .+?)\]\(decisions/([^)]+)\)", INDEX.read_text())) == titles


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_decision_has_its_number_a_date_and_a_status(page: Path) -> None:
    title, _, about, *_ = page.read_text().splitlines()
    assert title.startswith(f"# {int(page.name[:4])}. ")
    assert re.match(r"\*\d{4}-\d{2}-\d{2}\. Status: (accepted|superseded by )", about)


def test_version_is_the_same_in_package_changelog_and_citation() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == version
    assert f"\nversion: {version}\ndate-released: {newest[2]}\n" in (ROOT / "CITATION.cff").read_text()
