"""`bitlens list`: it parses and prints; `harness.cli.lists` says what there is."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Optional

import typer

from harness.cli.options import AsJson


class What(str, Enum):
    """What can be listed: the names of LISTS, and the layers of one model."""

    models = "models"
    formats = "formats"
    methods = "methods"
    layers = "layers"
    metrics = "metrics"
    datasets = "datasets"
    runtimes = "runtimes"


def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    model: Annotated[
        Optional[str], typer.Argument(help="Model whose `layers` are listed: a catalogue name, or a Keras file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the models, formats, methods, metrics, data sets or runtimes that an experiment file may name.

    `layers` builds a model and lists its layers; the others answer at once.
    """
    from harness.cli import text
    from harness.cli.lists import LISTS, layers

    rows = layers(model) if what is What.layers else LISTS[what.value]()
    print(text.as_json(rows) if as_json else text.as_table(rows))
