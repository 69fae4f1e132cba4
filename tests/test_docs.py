"""What the documents show is true: links lead somewhere, commands exist, tables and files are quoted exactly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from harness.cli.app import app
from harness.cli.run import DEMO
from harness.models.catalogue import CATALOGUE, model_card

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has commands
TWINS = [name for name, entry in CATALOGUE.items() if entry.weights == "trained" and not entry.shuffled]


def twins_table() -> str:
    """The README's table of our own networks, from their model cards."""
    lines = ["| network | data | top-1 on the test split | images | weights made by |", "|---|---|---|---|---|"]
    for name in TWINS:
        card = model_card(name)
        assert card is not None, name
        lines.append(
            f"| `{name}` | {card['data']} | {card['top1']:.1%} | {card['test_images']:,} | `{card['command']}` |"
        )
    return "\n".join(lines)


def test_readme_shows_the_demo_experiment_as_it_is() -> None:
    experiment = DEMO.read_text()
    quoted = "\n".join(f"    {line}".rstrip() for line in experiment.splitlines())
    assert quoted in (ROOT / "README.md").read_text()


def test_readme_shows_the_measured_accuracy_of_our_models() -> None:
    assert twins_table() in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "least"),
    [("planted-float", 0.97), ("planted-binary", 0.92), ("cifar-float", 0.80), ("cifar-binary", 0.70)],
)
def test_our_models_are_good_enough_to_be_compared(name: str, least: float) -> None:
    card = model_card(name)
    assert card is not None
    assert card["top1"] >= least
    assert card["test_images"] >= 5000


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
