"""The typer app: which verb is which function. A verb is imported when it is asked for, and waits for no other."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core

from harness.cli.help import LOOK, VerbCommand, VerbsGroup
from harness.cli.verbs import VERBS
from harness.registry import resolve


class Overview(VerbsGroup):
    """Its commands are only names and summaries; the one that is called takes its place when it is resolved."""

    def __init__(self, **attributes: Any) -> None:
        commands = {name: typer.core.TyperCommand(name, help=verb.summary) for name, verb in VERBS.items()}
        super().__init__(**{**attributes, "commands": commands})

    def sections(self) -> dict[str, list[str]]:
        sections: dict[str, list[str]] = {}
        for name, verb in VERBS.items():
            sections.setdefault(verb.section, []).append(name)
        return sections

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, command(found.name) if found and found.name else None, rest


def command(name: str) -> Any:
    """The command of a verb, as typer wants it."""
    verb = resolve(VERBS[name].load)
    if not isinstance(verb, typer.Typer):
        function, verb = verb, typer.Typer(**LOOK, add_completion=False)
        verb.command(name, cls=VerbCommand, epilog="\n".join(VERBS[name].examples))(function)
    made = typer.main.get_command(verb)
    made.name = name
    return made


app = typer.Typer(
    **LOOK,
    name="bitlens",
    cls=Overview,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which model, in which format, on which board: how accurate, how fast, and how well explained?\n\n"
    "Start with `bitlens demo`: it needs nothing and takes about two minutes. `bitlens COMMAND --help` shows the "
    "options of a command, with examples.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"bitlens {version('bitlens')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error as well.")] = False,
) -> None:
    if debug:
        os.environ["BITLENS_DEBUG"] = "1"
