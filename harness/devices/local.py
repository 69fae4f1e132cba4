"""This host as a device: the same agent in a process of its own, started by the same path as on a board."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness.devices.transport.bootstrap import CACHE, open_session
from harness.devices.transport.pipe import PYTHON_ARGUMENTS, Connection
from harness.devices.transport.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDevice:
    """`python` is the interpreter to run the agent in: this one, or that of another environment with a runtime."""

    name: str
    kind: str = field(default="local", init=False)
    python: str = sys.executable
    cache: str = CACHE
    memory_mib: int | None = None

    def open(self) -> AbstractContextManager[Session]:
        return open_session(self.connection(), cache=self.cache, memory_mib=self.memory_mib)

    def connection(self) -> Connection:
        return Connection(
            device=self.name,
            command=(self.python, *PYTHON_ARGUMENTS),
            address=self.python,
            hint=f"{self.python} --version",
        )


def setup(device: LocalDevice, *, python: str, say: Callable[[str], None] = print) -> None:
    say(f"{device.name}: nothing to prepare, this host's own environment is used")


def remove(device: LocalDevice, *, python: str) -> None:
    print(f"{device.name}: nothing to remove")
