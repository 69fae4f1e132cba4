"""`bitlens device`, `bitlens bench` and `bitlens doctor`. It parses and prints; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

device_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Prepare, list and remove the devices that artifacts run on."
)
Name = Annotated[
    str, typer.Argument(help="A device of ~/.config/bitlens/devices.toml, or one of those that `list` always shows.")
]
BoardPython = Annotated[str, typer.Option(help="The board's interpreter to build on.")]


@device_app.command("list")
def list_devices() -> None:
    """List the devices that are known by name."""
    from harness.devices.device import DEFAULT_KIND
    from harness.devices.known import known_devices

    for name, row in known_devices().items():
        rest = ", ".join(f"{key} {value}" for key, value in row.items() if key not in ("name", "kind"))
        print(f"{name:16} {row.get('kind', DEFAULT_KIND):10} {rest}")


@device_app.command()
def setup(name: Name, python: BoardPython = "python3") -> None:
    """Prepare a board: a private environment with NumPy and a TFLite runtime. Repeatable; says what it does."""
    from harness.devices.device import set_up
    from harness.devices.known import find_device

    set_up(find_device(name), python=python)


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
    from harness.devices.doctor import examine
    from harness.devices.known import find_device

    findings = examine(find_device(name))
    for finding in findings:
        print(finding.as_text())
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
