"""What every device is, the kinds that there are, and the one place that turns a row of a device table into one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from device.text import printable
from harness.devices.row import checked_row
from harness.devices.transport.session import Session
from harness.errors import ConfigError, nearest
from harness.registry import resolve

Say = Callable[[str], None]


class Device(Protocol):
    """A place where artifacts run. Each `open` starts one fresh process, which serves one job and ends."""

    name: str
    kind: str

    def open(self) -> AbstractContextManager[Session]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKind:
    """One way to reach a place where artifacts run; its parts are names "module:object", imported on first use.

    load     a dataclass whose fields are what a row of a device table may hold.
    setup    a function (device, *, python, say) that prepares the device, can be repeated, and says what it does.
    remove   a function (device, *, python) that undoes `setup`.
    is_set_up  a function (device) that says whether `setup` was run, for kinds whose agent may not start before; "" for
               kinds that say so themselves, or need no setup. Raises DeviceError where nothing can be asked.
    stop     a function (device, *, say) that switches the device off, for kinds that a first use switches on.
    is_emulated      whether its time is not a latency.
    counts_instructions  of an emulated one, whether it counts instructions instead.
    on_this_machine  whether its work takes this machine's cores.
    """

    load: str
    setup: str
    remove: str
    is_set_up: str = ""
    stop: str = ""
    is_emulated: bool = False
    counts_instructions: bool = True
    on_this_machine: bool = False


KINDS: dict[str, DeviceKind] = {
    "local": DeviceKind(
        load="harness.devices.local:LocalDevice",
        setup="harness.devices.local:setup",
        remove="harness.devices.local:remove",
        on_this_machine=True,
    ),
    "ssh": DeviceKind(
        load="harness.devices.ssh:SshDevice",
        setup="harness.devices.setup.board:setup",
        remove="harness.devices.setup.board:remove",
        is_set_up="harness.devices.setup.board:is_set_up",
    ),
    "emulated": DeviceKind(
        load="harness.devices.emulated:EmulatedDevice",
        setup="harness.devices.setup.emulated_root:setup",
        remove="harness.devices.setup.emulated_root:remove",
        is_emulated=True,
        on_this_machine=True,
    ),
    "vm": DeviceKind(
        load="harness.devices.vm:VmDevice",
        setup="harness.devices.setup.vm_image:setup",
        remove="harness.devices.setup.vm_image:remove",
        is_set_up="harness.devices.setup.vm_image:is_set_up",
        stop="harness.devices.vm:stop",
        is_emulated=True,
        counts_instructions=False,
        on_this_machine=True,
    ),
}
DEFAULT_KIND = "local"


def kind_of(row: Mapping[str, Any]) -> DeviceKind:
    """The kind of a row of a device table. Raises ConfigError for an unknown one."""
    kind = row.get("kind", DEFAULT_KIND)
    if not isinstance(kind, str) or kind not in KINDS:
        named = f'device "{row.get("name")}" kind'
        raise ConfigError(f'{named}: got "{printable(str(kind), most=60)}"', hint=nearest(str(kind), KINDS))
    return KINDS[kind]


def make_device(row: Mapping[str, Any]) -> Device:
    """The device of a table row {"name", "kind", ...}. Touches nothing but memory.

    Raises ConfigError for an unknown kind or key, and for a value that is not of the form that its key wants.
    """
    factory = resolve(kind_of(row).load)
    unknown = next((key for key in row if key != "kind" and key not in _keys_of(factory)), None)
    takers = [f'kind = "{name}"' for name, kind in KINDS.items() if unknown in _keys_of(resolve(kind.load))]
    if takers:
        kind = row.get("kind", DEFAULT_KIND)
        problem = f'device "{printable(str(row.get("name")), most=60)}" {unknown}: kind "{kind}" has no such key'
        raise ConfigError(problem, hint=f"{' or '.join(takers)}, which has it")
    device: Device = factory(**checked_row(row, factory))
    return device


def _keys_of(factory: type) -> set[str]:
    return {field.name for field in dataclasses.fields(factory) if field.init}


def set_up(device: Device, *, python: str, say: Say = print) -> None:
    """Prepare a device as its kind does. `python` is the board's interpreter to build on, where there is a choice."""
    resolve(KINDS[device.kind].setup)(device, python=python, say=say)


def take_down(device: Device, *, python: str) -> None:
    """Undo `set_up`."""
    resolve(KINDS[device.kind].remove)(device, python=python)


def stop(device: Device, *, say: Say = print) -> None:
    """Switch it off. Raises ConfigError for a device that was not switched on from here."""
    function = KINDS[device.kind].stop
    if not function:
        kinds = ", ".join(f'"{name}"' for name, kind in KINDS.items() if kind.stop)
        problem = f'device "{device.name}": bitlens did not switch it on, and cannot switch it off'
        raise ConfigError(problem, hint=f"a device of kind {kinds}")
    resolve(function)(device, say=say)


def is_set_up(device: Device) -> bool:
    """Whether nothing is known to be left of `set_up`. Raises DeviceError for a device that cannot be asked."""
    check = KINDS[device.kind].is_set_up
    return bool(resolve(check)(device)) if check else True


def is_emulated(device: Device) -> bool:
    """Whether its time is not a latency."""
    return KINDS[device.kind].is_emulated


def counts_instructions(device: Device) -> bool:
    """Whether it says how many instructions an inference executes, instead of a latency."""
    return is_emulated(device) and KINDS[device.kind].counts_instructions


def is_on_this_machine(device: Device) -> bool:
    """Whether its work takes this machine's cores, and its clock is this machine's."""
    return KINDS[device.kind].on_this_machine
