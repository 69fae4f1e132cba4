"""`bitlens bench`: it parses and prints; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


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
