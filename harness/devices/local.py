"""This host as a device: the same agent in a process of its own, started by the same path as on a board."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from harness.devices.bootstrap import CACHE, PYTHON_ARGUMENTS
from harness.devices.session import Session, open_session


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDevice:
    """`python` is the interpreter to run the agent in: this one, or that of another environment with a runtime."""

    name: str
    kind: str = field(default="local", init=False)
    python: str = sys.executable
    cache: str = CACHE

    @contextmanager
    def open(self) -> Iterator[Session]:
        with open_session([self.python, *PYTHON_ARGUMENTS], device=self.name, cache=self.cache) as session:
            yield session
