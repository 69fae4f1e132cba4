"""`bitlens inspect`: it parses and prints; `harness.cli.inspection_record` reads the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from harness.cli.options import AsJson


def inspect(
    artifact: Annotated[Path, typer.Argument(help="Any .tflite file, including one that bitlens did not make.")],
    graph: Annotated[bool, typer.Option("--graph", help="List every operator in graph order.")] = False,
    input_shape: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Shape of an input that the file leaves open; may be repeated.", metavar="[NAME=]1x224x224x3"
        ),
    ] = None,
    signature: Annotated[Optional[str], typer.Option(help="Signature whose inputs have these shapes.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is inside a flatbuffer: operators, multiply-accumulates, memory, and what can execute it.

    Nothing is run unless shapes are given; then a runtime computes the shapes of all tensors.
    """
    from harness.cli.inspection_record import inspect_file
    from harness.cli.inspection_text import as_text

    record = inspect_file(artifact, shapes=input_shape or (), signature=signature)
    print(json.dumps(record, indent=2) if as_json else as_text(record, in_order=graph))
