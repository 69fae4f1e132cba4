"""`bitlens bench`: it parses and prints; the work is done elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from harness.cli.options import Quiet, Verbose, listen_to
from harness.errors import ConfigError

INPUTS = "What it is timed on"
RUNTIME = "What executes it"


def bench(
    artifacts: Annotated[
        list[str],
        typer.Argument(help="TFLite flatbuffers, Keras files, names from `bitlens list models`.", metavar="MODEL..."),
    ],
    format_: Annotated[
        Optional[str],
        typer.Option(
            "--format",
            help="Formats of models that are converted, separated by commas; lce for binarized ones, else fp32.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Device that runs it: a name of `bitlens device list`.")] = "this-host",
    threads: Annotated[str, typer.Option(help="Thread counts, separated by commas.")] = "1",
    runtime: Annotated[str, typer.Option(help="Name of a runtime, or auto.", rich_help_panel=RUNTIME)] = "auto",
    delegate: Annotated[
        Optional[str],
        typer.Option(
            help="Shared library of a delegate: ./mine.so on this host, or a path or bare name on the device.",
            metavar="PATH",
            rich_help_panel=RUNTIME,
        ),
    ] = None,
    delegate_option: Annotated[
        Optional[list[str]],
        typer.Option(help="Option of the delegate; may be repeated.", metavar="KEY=VALUE", rich_help_panel=RUNTIME),
    ] = None,
    xnnpack: Annotated[
        Optional[bool],
        typer.Option("--xnnpack/--no-xnnpack", help="Expect XNNPACK, or disable it.", rich_help_panel=RUNTIME),
    ] = None,
    accelerator: Annotated[
        Optional[str],
        typer.Option(help="Accelerator of ai-edge-litert: cpu, gpu or npu.", metavar="NAME", rich_help_panel=RUNTIME),
    ] = None,
    weight_cache: Annotated[
        bool, typer.Option("--weight-cache", help="Let XNNPACK keep its weights there.", rich_help_panel=RUNTIME)
    ] = False,
    rounds: Annotated[int, typer.Option(help="Fresh processes for each thread count.", min=1, max=1000)] = 3,
    seconds: Annotated[float, typer.Option(help="Minimum duration of a round, in seconds.", min=0, max=86_400)] = 1.0,
    sustained: Annotated[str, typer.Option(help="Duration of a long measurement to compare with, such as 30min.")] = "",
    energy: Annotated[bool, typer.Option("--energy", help="Also estimate the energy of an inference.")] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Also show the time that each kind of operator takes.")
    ] = False,
    graph: Annotated[
        bool, typer.Option("--graph", help="With --profile: every operator, in its graph's order.")
    ] = False,
    signature: Annotated[
        Optional[str], typer.Option(help="Signature to time, of a file with several.", rich_help_panel=INPUTS)
    ] = None,
    input_shape: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Shape of an input that the file leaves open; may be repeated.",
            metavar="[NAME=]1x224x224x3",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    input_range: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Random values of at least LOW and below HIGH; may be repeated.",
            metavar="[NAME=]LOW:HIGH",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    input_: Annotated[
        Optional[Path],
        typer.Option(
            "--input",
            help="Arrays by the inputs' names, instead of random values.",
            metavar="FILE.npz",
            rich_help_panel=INPUTS,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the raw records as JSON.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure any model on any device: load, first run, p50, p90, p99, and how valid the numbers are.

    A flatbuffer is timed as it is. A model of the catalogue or a Keras file is converted first, without a data set:
    with random weights where the trained ones are not here, which changes no latency.
    """
    from harness.cli import bench_options, bench_text
    from harness.devices.bench import Bench, bench_all, failed
    from harness.devices.bench_files import prepare
    from harness.devices.known import find_device

    listen_to(quiet=quiet, verbose=verbose)
    if graph and not profile:
        raise ConfigError("--graph: expected --profile as well, whose operators it lists")
    what: dict[str, Any] = {
        "device": find_device(device),
        "threads": bench_text.parse_threads(threads),
        "runtime": bench_options.runtime(
            base=runtime,
            delegate=delegate,
            options=delegate_option or (),
            xnnpack=xnnpack,
            accelerator=accelerator,
            weight_cache=weight_cache or None,
        ),
        "rounds": rounds,
        "seconds": seconds,
        "sustained_s": bench_text.parse_sustained(sustained),
        "energy": energy,
        "profile": profile,
    }
    request = bench_options.input_request(signature, input_shape or (), input_range or (), input_)
    targets = bench_options.targets(artifacts, format_.split(",") if format_ is not None else (), request)
    for_main_graph = bench_options.for_main_graph(what["runtime"], profile=profile)
    prepared = prepare(targets.files, request, for_main_graph=for_main_graph)
    failures = {**targets.failures, **prepared.failures}
    if not prepared.inputs and all(isinstance(failure, ConfigError) for failure in failures.values()):
        raise ConfigError("\n".join(map(str, failures.values())))
    measured = bench_all(
        [
            Bench(name=name, note=targets.notes[name], artifact=targets.files[name], inputs=inputs, **what)
            for name, inputs in prepared.inputs.items()
        ]
    )
    results = {name: measured[name] if name in measured else failed(failures[name]) for name in targets.names}
    print(bench_text.as_json(results) if as_json else bench_text.as_text(results, in_order=graph))
    if any(row.failures for rows in results.values() for row in rows):
        raise typer.Exit(1)
