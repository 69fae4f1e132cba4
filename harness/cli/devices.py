"""`bitlens device` and `bitlens doctor`. It parses and prints; the work is done elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.help import LOOK, VerbCommand, VerbsGroup
from harness.cli.options import AsJson

device_app = typer.Typer(
    **LOOK,
    cls=VerbsGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Prepare, list and remove the devices that artifacts run on.",
)
Name = Annotated[
    str,
    typer.Argument(
        help="A device of ~/.config/bitlens/devices.toml, one that `list` always shows, or user@host for a board."
    ),
]
BoardPython = Annotated[str, typer.Option(help="The board's Python interpreter.")]


@device_app.command("list", cls=VerbCommand, epilog="bitlens device list\nbitlens device list --no-probe --json")
def list_devices(
    probe: Annotated[bool, typer.Option(help="Ask each device for its state, with a short time limit.")] = True,
    as_json: AsJson = False,
) -> None:
    """List the devices that are known by name, and the state that each is in."""
    from harness.cli import device_states, text
    from harness.devices.known import known_devices
    from harness.devices.overview import states

    found = states(known_devices(), probe=probe)
    print(text.as_json(device_states.as_rows(found)) if as_json else device_states.as_table(found))


@device_app.command(
    cls=VerbCommand, epilog="bitlens device setup pi@pi4.local --keep pi4\nbitlens device setup cortex-a72"
)
def setup(
    name: Name,
    python: BoardPython = "python3",
    keep: Annotated[str, typer.Option(help="Add the board to your devices under this name.", metavar="NAME")] = "",
) -> None:
    """Prepare a board: a private environment with NumPy and a TFLite runtime. Can be repeated; reports what it does."""
    from harness.devices import known
    from harness.devices.device import make_device, set_up
    from harness.devices.last_seen import note

    row = known.find_row(name)
    kept = {**row, "name": keep} if keep else row
    if keep:
        known.require_free(keep)
    set_up(make_device(kept), python=python)
    note(kept["name"], kept)
    if keep:
        print(f"kept as {keep} in {known.keep(kept)}")
    elif known.is_address(name):
        short = known.short_name(name)
        print(f"to keep it, repeat this with --keep {short}, or add to {known.table_path()}:\n")
        print(known.as_toml({**row, "name": short}), end="")


@device_app.command(cls=VerbCommand, epilog="bitlens device remove pi4")
def remove(name: Name, python: BoardPython = "python3") -> None:
    """Remove from a device what `setup` put there."""
    from harness.devices.device import take_down
    from harness.devices.known import find_device

    take_down(find_device(name), python=python)


@device_app.command(cls=VerbCommand, epilog="bitlens device stop vm-bookworm")
def stop(name: Name) -> None:
    """Switch a virtual machine off in good order; its disk stays."""
    from harness.devices.device import stop as switch_off
    from harness.devices.known import find_device

    switch_off(find_device(name))


def doctor(
    name: Annotated[str, typer.Argument(help="The device to examine.", metavar="[DEVICE]")] = "this-host",
) -> None:
    """Find what would spoil a run before it starts: system, runtimes, governor, power, disk, clock, lock."""
    from harness.devices.device import make_device
    from harness.devices.doctor import examine, in_short, was_reached
    from harness.devices.known import find_row
    from harness.devices.last_seen import note
    from harness.saying import say

    row = find_row(name)
    findings = examine(make_device(row), say=say)
    if was_reached(findings):
        note(row["name"], row, doctor=in_short(findings))
    for finding in findings:
        print(finding.as_text())
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
