"""The typer app: which verb is which function. A verb is imported when it is asked for, and waits for no other.

What the overview says of each stands here, so that `bitlens --help` imports none of them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.core

from harness.registry import resolve


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: `load` is its function or typer app as "module:name", `summary` the first paragraph of its help."""

    load: str
    summary: str


VERBS = {
    "run": Verb(
        "harness.cli.run:run",
        "Convert, measure, explain and report what the experiment file asks for.",
    ),
    "demo": Verb(
        "harness.cli.run:demo",
        "Run the built-in experiment: our twin models, float and binarized, on generated images. No download.",
    ),
    "init": Verb(
        "harness.cli.drafting:init",
        "Write a first experiment file for pictures and models: what is found in them, with a comment on each key.",
    ),
    "schema": Verb(
        "harness.cli.drafting:schema",
        "Print the JSON schema of experiment files, by which editors complete, explain and check them.",
    ),
    "list": Verb(
        "harness.cli.listing:list_",
        "List what an experiment file may name. Only `layers` builds a model; the others answer at once.",
    ),
    "build-ops": Verb(
        "harness.cli.convert:build_ops",
        "Build the LCE operators for a target by hand; runs do so by themselves. Prints where the library is.",
    ),
    "convert": Verb(
        "harness.cli.convert:convert",
        "Convert models, compare every artifact with its Keras model, and say what is inside.",
    ),
    "inspect": Verb(
        "harness.cli.inspection:inspect",
        "Show what is inside a flatbuffer: operators, multiply-accumulates, weights, memory, and what can execute it.",
    ),
    "explain": Verb(
        "harness.cli.explain:explain",
        "Explain single pictures: what the model sees in them, where, and how well each map explains it.",
    ),
    "plan": Verb(
        "harness.cli.plan:plan",
        "List the units of an experiment, what is done, the hours and gigabytes it will take, and what costs most.",
    ),
    "report": Verb(
        "harness.cli.reports:report",
        "Write the CSV files and the HTML page of a run again.",
    ),
    "compare": Verb(
        "harness.cli.compare:compare",
        "What changed between runs, with intervals, and what cannot be compared and why.",
    ),
    "serve": Verb(
        "harness.cli.reports:serve",
        "Browse runs, live while one is running. Only who knows the printed address, and only on this machine, can.",
    ),
    "export": Verb(
        "harness.cli.exporting:export",
        "Write the artifacts of a run as <model>-<format>.tflite, ready for a board or another tool.",
    ),
    "bench": Verb(
        "harness.cli.benching:bench",
        "Measure any model on any device: load, first run, p50, p90, p99, and how valid the numbers are.",
    ),
    "doctor": Verb(
        "harness.cli.devices:doctor",
        "Find what spoils runs before they start: system, runtimes, governor, power, disk, clock, lock.",
    ),
    "device": Verb(
        "harness.cli.devices:device_app",
        "Prepare, list and remove the devices that artifacts run on.",
    ),
}


class VerbGroup(typer.core.TyperGroup):
    """Its commands are only names and summaries; the one that is called takes its place when it is resolved."""

    def __init__(self, **attributes: Any) -> None:
        commands = {name: typer.core.TyperCommand(name, help=verb.summary) for name, verb in VERBS.items()}
        super().__init__(**{**attributes, "commands": commands})

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, found, rest = super().resolve_command(ctx, args)
        return name, command(found.name) if found and found.name else None, rest


def command(name: str) -> Any:
    """The command of a verb, as typer wants it."""
    verb = resolve(VERBS[name].load)
    if not isinstance(verb, typer.Typer):
        function, verb = verb, typer.Typer(add_completion=False)
        verb.command(name)(function)
    made = typer.main.get_command(verb)
    made.name = name
    return made


app = typer.Typer(
    name="bitlens",
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Which model, in which format, on which board: how accurate, how fast, and how well explained?\n\n"
    "Start with `bitlens demo`: it needs nothing and takes about two minutes.",
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
