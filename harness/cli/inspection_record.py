"""The record of one flatbuffer: what is inside, and which runtime can execute it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.bounded_schema import Mapped
from converters.inspection.details import details
from converters.inspection.kernels import table
from converters.inspection.shapes import Shapes
from converters.schema import NotAnArtifact
from device import flatbuffer
from device.delegates import has_flex
from device.text import printable
from harness.errors import ConfigError

if TYPE_CHECKING:
    from device.runtimes import Runtime

MOST_BYTES = 2**35  # of a file: what is hashed in a minute
SCHEMA = 2  # of the JSON record: raised when a field goes or changes its meaning; docs/inspect.md


def inspect_file(path: Path, *, shapes: Sequence[str] = (), signature: str | None = None) -> dict[str, Any]:
    """The record of a file, plain JSON; `shapes` are those of inputs, as on the command line.

    Raises ConfigError when it is not a TFLite flatbuffer, and what `worked_out_shapes` raises.
    """
    named = printable(str(path))
    try:
        content = _content(path)
        inside = asdict(details(content, _worked_out(path, content, shapes, signature)))
    except OSError as error:
        raise ConfigError(f'artifact: "{named}" could not be read ({error.strerror})') from error
    except NotAnArtifact as error:
        raise ConfigError(f'artifact: "{named}" is not a TFLite flatbuffer: {error}') from error
    except ValueError as error:
        raise ConfigError(f'artifact: "{named}" is {error}') from error
    summary, lacking = inside.pop("summary"), lacking_by_runtime(inside.pop("lacking"))
    needs_lce = any(name.startswith(_lce_operators()) for name in summary["custom_operators"])
    return {
        "schema": SCHEMA,
        "file": printable(path.name),
        "sha256": hashlib.sha256(content).hexdigest(),
        "flatbuffer_bytes": len(content),
        **summary,
        "runtimes": [name for name, lacks in lacking.items() if not lacks and (needs_lce or not _only_lce(name))],
        "lacking": lacking,
        **inside,
    }


def _content(path: Path) -> bytes | Mapped:
    """A file over 2 GB has its constants behind the flatbuffer, of which only places and sizes are asked."""
    size = path.stat().st_size if path.is_file() else 0
    if size > MOST_BYTES:
        raise ValueError(f"too large: it has {size:,} bytes, and at most {MOST_BYTES:,} are read")
    return Mapped.of_file(path) if size > flatbuffer.MOST_BYTES else flatbuffer.read(str(path))


def _worked_out(path: Path, content: bytes | Mapped, shapes: Sequence[str], signature: str | None) -> Shapes:
    if not shapes and signature is None:
        return {}
    if isinstance(content, Mapped):
        raise ConfigError(f"--input-shape: expected a file of at most {flatbuffer.MOST_BYTES:,} bytes")
    from harness.cli.bench_options import input_request
    from harness.devices.worked_out_shapes import worked_out_shapes

    return worked_out_shapes(path, content, input_request(signature, shapes, (), None))


def lacking_by_runtime(lacking: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The operators that each runtime of the table lacks, when those are taken off that its row or delegate brings."""
    from device.runtimes import RUNTIMES

    return {
        row.name: [name for name in lacking[row.name.partition("+")[0]] if not name.startswith(_brought(row))]
        for row in RUNTIMES
    }


def _brought(row: Runtime) -> tuple[str, ...]:
    """TensorFlow has lost its Flex delegate, so that it depends on the version."""
    lost = row.name == "tensorflow" and not has_flex(table()[row.name]["version"])
    return () if lost else row.operators


def _lce_operators() -> tuple[str, ...]:
    from device.runtimes import LCE_OPERATORS

    return LCE_OPERATORS


def _only_lce(runtime: str) -> bool:
    """Runtimes for LCE's operators are named only where a file has some."""
    from device.runtimes import RUNTIMES

    return any(row.name == runtime and row.operators == _lce_operators() for row in RUNTIMES)
