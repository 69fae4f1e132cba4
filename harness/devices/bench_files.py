"""The files of a bench: which of them can be measured, on which inputs, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converters.schema import DAMAGE
from device import flatbuffer
from device.text import printable
from harness.devices.measured_inputs import FileInputs, InputRequest, MeasuredInputs
from harness.errors import BitlensError, ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """By the files' names: what those are measured on that can be, and what is wrong with the others."""

    inputs: dict[str, MeasuredInputs]
    failures: dict[str, BitlensError]


def prepare(files: Mapping[str, Path], request: InputRequest, *, for_main_graph: str = "") -> Prepared:
    """Look into every file. A failure is a ConfigError where another request could measure the file.

    for_main_graph  an option that takes the main graph of a file alone; "" for none.
    """
    found: dict[str, FileInputs] = {}
    inputs: dict[str, MeasuredInputs] = {}
    failures: dict[str, BitlensError] = {}
    for name, path in files.items():
        try:
            found[name] = _inputs(name, path, request)
        except BitlensError as error:
            failures[name] = error
    names = {name for one in found.values() for name in one.names}
    for name, one in found.items():
        try:
            measured = one.measured(request, elsewhere=names)
            if for_main_graph and measured.record["signature"] is not None:
                raise ConfigError(
                    f"{printable(name)}: {for_main_graph} takes the main graph of a file alone, and --signature "
                    f'"{request.signature}" has another one',
                    hint=f"without {for_main_graph}",
                )
            inputs[name] = measured
        except ConfigError as error:
            failures[name] = error
    return Prepared(inputs=inputs, failures=failures)


def _inputs(name: str, path: Path, request: InputRequest) -> FileInputs:
    where = printable(name)
    try:
        return FileInputs(flatbuffer.read(str(path)), signature=request.signature, where=where)
    except OSError as error:
        raise BitlensError(f"{where}: could not be read ({error.strerror})") from error
    except ValueError as error:
        reason = str(error).removeprefix("not a valid TFLite flatbuffer: ")
        raise BitlensError(f"{where}: it is not a valid TFLite flatbuffer: {reason}") from error
    except DAMAGE as error:
        raise BitlensError(f"{where}: it is damaged ({type(error).__name__}: {error})") from error
