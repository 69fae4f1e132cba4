"""The typer app: which verb is which function. A verb is imported when it is asked for, and waits for no other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
import typer.core

from harness.registry import resolve

VERBS = {
    "run": "harness.cli.run:run",
    "demo": "harness.cli.run:demo",
    "list": "harness.cli.listing:list_",
    "build-ops": "harness.cli.convert:build_ops",
    "convert": "harness.cli.convert:convert",
    "inspect": "harness.cli.inspection:inspect",
    "explain": "harness.cli.explain:explain",
    "plan": "harness.cli.plan:plan",
    "report": "harness.cli.reports:report",
    "compare": "harness.cli.compare:compare",
    "serve": "harness.cli.reports:serve",
    "export": "harness.cli.exporting:export",
    "bench": "harness.cli.benching:bench",
    "doctor": "harness.cli.devices:doctor",
    "device": "harness.cli.devices:device_app",
}


class Commands(Mapping[str, Any]):
    """The commands of VERBS as typer wants them."""

    def __getitem__(self, name: str) -> Any:
        verb = resolve(VERBS[name])
        if not isinstance(verb, typer.Typer):
            function, verb = verb, typer.Typer(add_completion=False)
            verb.command(name)(function)
        command = typer.main.get_command(verb)
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class VerbGroup(typer.core.TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**{**attributes, "commands": Commands()})


app = typer.Typer(
    name="bitlens",
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which model, in which format, on which board: how accurate, how fast, and how well explained?\n\n"
    "Start with `bitlens demo`: it needs nothing and takes about two minutes.",
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error as well.")] = False,
) -> None:
    if debug:
        os.environ["BITLENS_DEBUG"] = "1"
