"""What every device is, and the one place that turns a row of the experiment's device table into one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Any, Protocol

from harness.devices.session import Session
from harness.errors import ConfigError, nearest


class Device(Protocol):
    """A place where artifacts run. Each `open` starts one fresh process, which serves one job and ends.

    `setup` prepares it and can be repeated, `remove` undoes that; both say what they do. `python` is the board's
    interpreter to build on, where there is a choice.
    """

    name: str
    kind: str

    def open(self) -> AbstractContextManager[Session]: ...

    def setup(self, *, python: str) -> None: ...

    def remove(self, *, python: str) -> None: ...


KINDS = {
    "local": "harness.devices.local:LocalDevice",
    "ssh": "harness.devices.ssh:SshDevice",
    "emulated": "harness.devices.emulated:EmulatedDevice",
}


def make_device(row: Mapping[str, Any]) -> Device:
    """The device of a table row {"name", "kind", ...}. Touches nothing but memory.

    Raises ConfigError for an unknown kind or key.
    """
    kind = row.get("kind", "local")
    if kind not in KINDS:
        raise ConfigError(f'device "{row.get("name")}" kind: got "{kind}"', hint=nearest(str(kind), KINDS))
    module, name = KINDS[kind].split(":")
    factory = getattr(import_module(module), name)
    known = [field for field in factory.__dataclass_fields__ if field != "kind"]
    for key in row:
        if key not in (*known, "kind"):
            raise ConfigError(f'device "{row.get("name")}": unknown key "{key}"', hint=nearest(key, known))
    try:
        device: Device = factory(**{key: value for key, value in row.items() if key != "kind"})
    except TypeError as error:
        raise ConfigError(f'device "{row.get("name")}": {error}') from error
    return device
