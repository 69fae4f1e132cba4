"""`bitlens device`, `bitlens bench` and `bitlens doctor`. It parses and prints; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import AsJson

device_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Prepare, list and remove the devices that artifacts run on."
)
Name = Annotated[
    str,
    typer.Argument(
        help="A device of ~/.config/bitlens/devices.toml, one that `list` always shows, or user@host for a board."
    ),
]
BoardPython = Annotated[str, typer.Option(help="The board's interpreter to build on.")]


@device_app.command("list")
def list_devices(
    probe: Annotated[bool, typer.Option(help="Ask each device how it is; none is waited for long.")] = True,
    as_json: AsJson = False,
) -> None:
    """List the devices that are known by name, and the state that each is in."""
    from harness.cli import device_states, text
    from harness.devices.known import known_devices
    from harness.devices.overview import states

    found = states(known_devices(), probe=probe)
    print(text.as_json(device_states.as_rows(found)) if as_json else device_states.as_table(found))


@device_app.command()
def setup(
    name: Name,
    python: BoardPython = "python3",
    keep: Annotated[str, typer.Option(help="Add the board to your devices by this name.", metavar="NAME")] = "",
) -> None:
    """Prepare a board: a private environment with NumPy and a TFLite runtime. Repeatable; says what it does."""
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


@device_app.command()
def remove(name: Name, python: BoardPython = "python3") -> None:
    """Undo `setup`."""
    from harness.devices.device import take_down
    from harness.devices.known import find_device

    take_down(find_device(name), python=python)


@device_app.command()
def stop(name: Name) -> None:
    """Switch a virtual machine off in good order; its disk stays."""
    from harness.devices.device import stop as switch_off
    from harness.devices.known import find_device

    switch_off(find_device(name))


def bench(
    artifacts: Annotated[
        list[Path], typer.Argument(help="Any TFLite flatbuffers.", metavar="FILE.tflite ...", exists=True)
    ],
    device: Annotated[str, typer.Option(help="Where to run it.")] = "this-host",
    threads: Annotated[str, typer.Option(help="Thread counts, separated by commas.")] = "1",
    runtime: Annotated[str, typer.Option(help="A runtime's name, or auto.")] = "auto",
    rounds: Annotated[int, typer.Option(help="Fresh processes for each thread count.", min=1, max=1000)] = 3,
    seconds: Annotated[float, typer.Option(help="Least time of one round.", min=0, max=86_400)] = 1.0,
    sustained: Annotated[str, typer.Option(help="Also run on for so long, such as 30min, and compare.")] = "",
    energy: Annotated[bool, typer.Option("--energy", help="Also estimate the energy of an inference.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Also say what each operator costs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The raw records, as JSON output.")] = False,
) -> None:
    """Measure any flatbuffer on any device: load, first run, p50, p90, p99, and how valid the numbers are."""
    from harness.cli import bench_text
    from harness.devices import bench as benching
    from harness.devices.known import find_device

    what: dict[str, Any] = {
        "device": find_device(device),
        "threads": bench_text.parse_threads(threads),
        "runtime": runtime,
        "rounds": rounds,
        "seconds": seconds,
        "sustained_s": bench_text.parse_sustained(sustained),
        "energy": energy,
        "profile": profile,
    }
    results = benching.bench_all([benching.Bench(artifact=artifact, **what) for artifact in artifacts])
    print(bench_text.as_json(results) if as_json else bench_text.as_text(results))
    if any(row.failures for rows in results.values() for row in rows):
        raise typer.Exit(1)


def doctor(
    name: Annotated[str, typer.Argument(help="The device to examine.", metavar="[DEVICE]")] = "this-host",
) -> None:
    """Find what spoils runs before they start: system, runtimes, governor, power, disk, clock, lock."""
    import sys

    from harness.devices.device import make_device
    from harness.devices.doctor import examine, in_short, was_reached
    from harness.devices.known import find_row
    from harness.devices.last_seen import note

    row = find_row(name)
    findings = examine(make_device(row), say=lambda line: print(line, file=sys.stderr))
    if was_reached(findings):
        note(row["name"], row, doctor=in_short(findings))
    for finding in findings:
        print(finding.as_text())
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
