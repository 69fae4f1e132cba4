"""Which runtimes an experiment uses on which device: those of the agent's table, and those of [[runtime]] tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from device.runtimes import RUNTIMES
from harness.devices.runtime_choice import AUTO, RuntimeChoice, chosen
from harness.errors import ConfigError, shown
from harness.experiment.device_tables import DeviceTable, RuntimeTable
from harness.experiment.names import require_known, require_unique
from harness.experiment.schema import ExperimentFile

BUILTIN = (AUTO, *(runtime.name for runtime in RUNTIMES))


def with_runtimes(file: ExperimentFile, devices: Iterable[DeviceTable], *, folder: Path) -> Iterator[DeviceTable]:
    """Each device once for each of its runtimes. Raises ConfigError.

    folder  what relative paths of delegates are relative to.
    """
    tables = {table.name: _choice(table, folder) for table in file.runtime}
    require_unique([table.name for table in file.runtime], where="[[runtime]] name")
    known = dict.fromkeys([*BUILTIN, *tables])
    used: set[str] = set()
    for device in devices:
        if "runtime" in device.model_fields_set:
            names, where = device.runtime, f'device "{device.name}" runtime'
        else:
            names, where = file.runtimes, "runtimes"
        require_known(names, known, where=where, what="runtime")
        require_unique(names, where=where)
        used |= set(names)
        yield from (device.with_runtime(name, tables.get(name)) for name in names)
    idle = next((name for name in tables if name not in used), None)
    if idle is not None:
        hint = f'runtimes = ["{idle}"] at the top, or runtime = "{idle}" in a [[device]] table'
        raise ConfigError(f"[[runtime]] {shown(idle)}: expected a device that uses it", hint=hint)


def _choice(table: RuntimeTable, folder: Path) -> RuntimeChoice:
    where = f"[[runtime]] {shown(table.name)}"
    if table.name in BUILTIN:
        raise ConfigError(f"{where} name: expected a name of its own, got that of a runtime")
    return chosen(table.model_dump(exclude_unset=True), folder=folder, where=where)
