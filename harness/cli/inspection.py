"""`bitlens inspect`: what is inside one flatbuffer, and which runtime can execute it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from converters.contents import contents
from converters.schema import NotAnArtifact
from device import flatbuffer
from device.text import printable
from harness.cli.options import AsJson
from harness.errors import ConfigError


def inspect(
    artifact: Annotated[Path, typer.Argument(help="Any .tflite file, also one that bitlens did not make.")],
    as_json: AsJson = False,
) -> None:
    """Show what is inside a flatbuffer: operators, multiply-accumulates, weights, memory, and what can execute it."""
    record = inspect_file(artifact)
    print(json.dumps(record, indent=2) if as_json else as_text(record))


def inspect_file(path: Path) -> dict[str, Any]:
    """The record of a file, plain JSON. Raises ConfigError when it is not a TFLite flatbuffer."""
    named = printable(str(path))
    try:
        content = flatbuffer.read(str(path))
        inside = asdict(contents(content))
    except OSError as error:
        raise ConfigError(f'artifact: "{named}" could not be read ({error.strerror})') from error
    except NotAnArtifact as error:
        raise ConfigError(f'artifact: "{named}" is not a TFLite flatbuffer: {error}') from error
    except ValueError as error:
        raise ConfigError(f'artifact: "{named}" is {error}') from error
    return {
        "file": printable(path.name),
        "sha256": hashlib.sha256(content).hexdigest(),
        "flatbuffer_bytes": len(content),
        **inside,
        "runtimes": runtimes_for(inside["custom_operators"]),
    }


def runtimes_for(custom_operators: Iterable[str]) -> list[str]:
    """The runtimes that have all of an artifact's operators, those for LCE's only where it has some."""
    from device.runtimes import LCE_OPERATORS, RUNTIMES

    needed = list(custom_operators)
    able = [row for row in RUNTIMES if all(name.startswith(row.operators) for name in needed)]
    return [row.name for row in able if needed or row.operators != LCE_OPERATORS]


def as_text(record: Mapping[str, Any]) -> str:
    from dask.utils import format_bytes

    operators = ", ".join(f"{count} {name}" for name, count in record["operators"].items())
    weights = ", ".join(f"{format_bytes(size)} {kind}" for kind, size in record["weight_bytes"].items() if size)
    lines = [
        ("file", f"{record['file']}, {record['flatbuffer_bytes']:,} bytes"),
        ("sha256", record["sha256"]),
        *(("input", _tensor(tensor)) for tensor in record["inputs"]),
        *(("output", _tensor(tensor)) for tensor in record["outputs"]),
        ("runs on", ", ".join(record["runtimes"]) or f"no runtime that has {', '.join(record['custom_operators'])}"),
        ("operators", f"{sum(record['operators'].values())}: {operators}"),
        ("MACs", readable_macs(record["macs"]) or "none"),
        ("parameters", f"{record['parameters']:,}"),
        ("weights", weights or "none"),
        ("activations", f"{format_bytes(record['arena_bytes'])} at their peak, without kernels' scratch buffers"),
    ]
    return "\n".join(f"{name:<12} {text}" for name, text in lines)


def readable_macs(macs: Mapping[str, int]) -> str:
    """ "42.5 M binary, 1.77 M float": multiply-accumulates by kind of arithmetic, those that there are."""
    return ", ".join(f"{count / 1e6:.3g} M {kind}" for kind, count in macs.items() if count)


def _tensor(tensor: Mapping[str, Any]) -> str:
    shape = "x".join(map(str, tensor["shape"]))
    scale = "" if tensor["scale"] is None else f", scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"
    return f"{tensor['name']} {tensor['type'].lower()} {shape}{scale}"
