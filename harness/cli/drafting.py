"""`bitlens init`, which writes a first experiment file, and `bitlens schema`. They ask and print, and do no work."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.errors import ConfigError, counted

if TYPE_CHECKING:
    from harness.draft.looking import Found, Pictures
    from harness.models.declared import Declared


def init(
    pictures: Annotated[
        Optional[Path], typer.Argument(help="A folder of pictures, an .npz, or a .zip of CIFAR-10.")
    ] = None,
    model: Annotated[
        Optional[list[str]],
        typer.Option(help="A model file, or a name from `bitlens list models`; may be repeated.", metavar="MODEL"),
    ] = None,
    device: Annotated[
        Optional[list[str]],
        typer.Option(help="A device by its name, see `bitlens device list`; may be repeated.", metavar="NAME"),
    ] = None,
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("experiment.toml"),
    size: Annotated[
        Optional[str], typer.Option(help="Height and width of a model's input, where its file leaves them open.")
    ] = None,
    normalization: Annotated[
        Optional[str], typer.Option(help="How pixels were prepared in training: tf, torch, caffe, unit or none.")
    ] = None,
    trusted: Annotated[bool, typer.Option("--trusted", help="Load model files that hold code.")] = False,
    module: Annotated[Optional[Path], typer.Option(help="A Python file with layers of your own.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a first experiment file for pictures and models, with a comment on each key.

    What is not given is asked for, on a terminal.
    """
    from harness.draft.checking import check_runs
    from harness.draft.composing import Draft
    from harness.draft.looking import distinct, look_at_pictures
    from harness.draft.writing import check_free, written

    check_free(out, force=force)
    found = look_at_pictures(pictures or Path(_asked("Folder of pictures", missing="PICTURES")))
    names = model or [_asked("Model file, or a name from `bitlens list models`", missing="--model FILE")]
    declared = _declared(size, normalization)
    models = [_look(name, declared, found, trusted=trusted, module=module) for name in names]
    distinct(models)
    chosen, others = _devices(device)
    draft = Draft(pictures=found, models=tuple(models), devices=chosen, other_devices=others)
    with written(out, draft.text(out.parent)) as path:
        units = check_runs(path)
    for each in models:
        if each.said:
            print(each.said)
    print(f"wrote {out}, which asks for {counted(units, 'unit of work')}")
    print(f"  next: bitlens run {out}")


def schema() -> None:
    """Print the JSON schema of experiment files, which editors use to complete, explain and check them.

    An experiment file beside the schema names it in its first line:

    #:schema ./bitlens.schema.json
    """
    from harness.experiment.json_schema import as_text

    print(as_text(), end="")


def _asked(question: str, *, missing: str, default: str | None = None) -> str:
    """What the person at the terminal says. Raises ConfigError where there is none, and no default."""
    if _is_terminal():
        return str(typer.prompt(question, default=default))
    if default is None:
        raise ConfigError(f"init: expected {missing}, got none", hint="bitlens init pictures/ --model my.keras")
    return default


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _declared(size: str | None, normalization: str | None) -> Declared:
    from harness.cli.explain_model import OwnModelOptions

    return OwnModelOptions(size=size, normalization=normalization).declared()


def _look(name: str, declared: Declared, pictures: Pictures, *, trusted: bool, module: Path | None) -> Found:
    """Where only a guess says how pixels were prepared, the person may know better."""
    from harness.draft.looking import look_at_model
    from harness.models.declared import NORMALIZATIONS

    found = look_at_model(name, declared, pictures, trusted=trusted, module=module)
    if not found.guessed_normalization or not _is_terminal():
        return found
    presets = ", ".join(NORMALIZATIONS)
    answer = _asked(f"How were pixels prepared in the training of {name}? {presets}", missing="", default="tf")
    if answer not in NORMALIZATIONS:
        raise ConfigError(f'init: expected one of {presets}, got "{answer}"')
    return look_at_model(
        name, dataclasses.replace(declared, normalization=answer), pictures, trusted=trusted, module=module
    )


def _devices(names: list[str] | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those that are used, and those of the person's own table that are not."""
    from harness.devices.known import BUILTIN, THIS_HOST, find_row, known_devices, short_name

    builtin = {row["name"] for row in BUILTIN}
    own = [name for name in known_devices() if name not in builtin]
    if not names:
        default = str(THIS_HOST["name"])
        said = f"Devices, separated by commas; known are {default}, {', '.join(own)}"
        answer = _asked(said, missing="", default=default) if own else default
        names = [name.strip() for name in answer.split(",")]
    for name in names:
        if find_row(name)["name"] not in known_devices():  # an address of a board that has no name yet
            problem = f'--device: expected the name of a device, got the address "{name}"'
            raise ConfigError(problem, hint=f"bitlens device setup {name} --keep {short_name(name)}")
    return tuple(names), tuple(name for name in own if name not in names)
