"""A board over SSH. The system's own ssh does the work, so ~/.ssh/config is honoured: aliases, keys, jump hosts."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness.devices.transport.bootstrap import CACHE, open_session
from harness.devices.transport.pipe import PYTHON_ARGUMENTS, Connection
from harness.devices.transport.session import Session

# No question can be answered on a pipe; a board that is gone is noticed within a minute.
_OPTIONS = ("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15")


WAIT_SECONDS = 180.0  # a Raspberry Pi boots within half a minute, checks its card's file system within two


@dataclass(frozen=True, slots=True, kw_only=True)
class SshDevice:
    """host    as ssh's own argument: an alias, or user@address.   port, config   as ssh's -p and -F.
    python  an interpreter on the board; by default the one that `bitlens device setup` made there, or else python3.
    wait_s  how long a run waits for the board when it is away.
    """

    name: str
    host: str
    kind: str = field(default="ssh", init=False)
    port: int | None = None
    config: str | None = None
    python: str | None = None
    cache: str = CACHE
    memory_mib: int | None = None
    wait_s: float = WAIT_SECONDS

    def open(self) -> AbstractContextManager[Session]:
        return open_session(
            self.connection(), cache=self.cache, memory_mib=self.memory_mib, own_environment=not self.python
        )

    def connection(self, *, python: str | None = None) -> Connection:
        ssh = ["ssh", *_OPTIONS]
        ssh += ["-F", self.config] if self.config else []
        ssh += ["-p", str(self.port)] if self.port else []
        return Connection(
            device=self.name,
            command=(*ssh, "--", self.host, remote_command(python or self.python, cache=self.cache)),
            address=f"ssh {self.host}",
            is_remote=True,
            hint=shlex.join([*(word for word in ssh if word != "-T"), self.host, "python3", "--version"]),
        )


def remote_command(python: str | None, *, cache: str) -> str:
    """One word for the board's login shell, whichever that is: sh runs Python and passes on how it ended."""
    choice = f"p={shlex.quote(python)}" if python else _OWN_ENVIRONMENT.format(cache=shell_cache(cache))
    script = f'{choice}; "$p" {shlex.join(PYTHON_ARGUMENTS)}; exit $?'
    return f"sh -c {shlex.quote(script)}"


# The environment of `bitlens device setup`, where it is whole, ours, and in a folder that nobody else may write to.
_OWN_ENVIRONMENT = (
    'p=python3; c={cache}; case "$(ls -ldL "$c" 2>/dev/null)" in d????-??-*) '
    'test -O "$c" && test -O "$c/venv/bitlens-requirements" && test -x "$c/venv/bin/python" '
    '&& p="$c/venv/bin/python";; esac'
)


def shell_cache(cache: str) -> str:
    """The device's cache folder as a shell writes it."""
    if cache == CACHE:
        return '"${XDG_CACHE_HOME:-$HOME/.cache}"/bitlens'
    return f'"$HOME"/{shlex.quote(cache[2:])}' if cache.startswith("~/") else shlex.quote(cache)
