"""Starting an agent: its source is zipped, named by its content, kept on the device, and checked before it executes.

The device reads the zip whole, hashes what it has read, and imports the agent out of these very bytes. So nothing that
lies beside them is ever executed, be it a module or bytecode; and a zip that is altered, cut off by a power cut, open
to others or not there is replaced by the one that the host has.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import device
from device import files
from device.files import claim_cache, private_folder, read_whole, write_whole
from harness.devices.transport.environment import ENVIRONMENT, environment_fault, listed_environment
from harness.devices.transport.faults import (
    AgentLost,
    Away,
    ConnectionCut,
    DeadlinePassed,
    EnvironmentDamaged,
    Unreachable,
)
from harness.devices.transport.pipe import Connection, open_channel
from harness.devices.transport.session import Session
from harness.errors import DeviceError

CACHE = "~/.cache/bitlens"  # expanded on the device; its XDG_CACHE_HOME goes first


@contextmanager
def open_session(
    connection: Connection,
    *,
    cache: str,
    memory_mib: int | None = None,
    adopt: bool = False,
    own_environment: bool = False,
) -> Iterator[Session]:
    """A session with a fresh agent; ended on the way out, whatever happened.

    adopt  whether `cache` may be taken over from an earlier version without our marker, as the default one always is.
    own_environment  whether the agent runs in the environment that setup made in `cache`, where there is one.
    Raises EnvironmentDamaged, Unreachable and what a request raises.
    """
    digest, archive = agent_archive()
    script = start_script(
        cache, digest, memory_mib=memory_mib, adopt=adopt or cache == CACHE, own_environment=own_environment
    )
    with open_channel(connection, script) as (process, channel):
        session = Session(connection.device, process, channel, is_remote=connection.is_remote)
        _send_agent(session, connection, archive)
        session.await_ready(connection.connect_s)
        yield session
        session.close()


def _send_agent(session: Session, connection: Connection, archive: bytes) -> None:
    """The device says whether it lacks this version of the agent's source."""
    try:
        answer = session.receive("start", time.monotonic() + connection.connect_s, connection.connect_s)
        if answer == {"missing": True}:
            session.send(archive, "start")
    except (AgentLost, DeadlinePassed) as error:
        is_away = connection.is_remote and isinstance(error, (ConnectionCut, DeadlinePassed))
        raise (Away if is_away else Unreachable)(str(error), hint=connection.hint) from error
    if isinstance(answer, dict) and "missing_environment" in answer:
        problem = f'device "{connection.device}": has not been set up: {answer["missing_environment"]} has no NumPy'
        raise DeviceError(problem, hint=f"bitlens device setup {connection.device}")
    if isinstance(answer, dict) and answer.get("damaged"):
        raise EnvironmentDamaged(
            f'device "{connection.device}": its environment is damaged: {answer["damaged"]}',
            python=str(answer.get("python") or "python3"),
            hint=f"bitlens device setup {connection.device}",
        )


@cache
def agent_archive() -> tuple[str, bytes]:
    """(SHA-256, zip) of the `device` package. The same files give the same bytes."""
    folder = Path(device.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder.parent).as_posix()
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    return hashlib.sha256(content).hexdigest(), content


def start_script(
    cache: str, digest: str, *, memory_mib: int | None = None, adopt: bool = False, own_environment: bool = False
) -> str:
    """What the device executes to start the agent; it finds `channel` in its globals."""
    functions = travelling(cache_folder, archive_importer, *ENVIRONMENT, _damage, _start_agent)
    return f"{functions}\n_start_agent(channel, {cache!r}, {digest!r}, {memory_mib!r}, {adopt!r}, {own_environment!r})"


def travelling(*functions: Callable[..., Any]) -> str:
    """Source for a device to execute: functions that need the standard library, device.files, each other and CACHE."""
    return "\n".join([inspect.getsource(files), f"CACHE = {CACHE!r}", *map(inspect.getsource, functions)])


def cache_folder(cache: str) -> str:
    """Where a device's cache is, on the machine that executes this."""
    import os

    if cache == CACHE and os.environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.environ["XDG_CACHE_HOME"], "bitlens")
    return os.path.expanduser(cache)


def archive_importer(content: bytes) -> Any:
    """Imports the modules of a zip that is held in memory; nothing is read from a disk, nothing is written to one."""
    import importlib.abc
    import importlib.util
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist()}

    class Importer(importlib.abc.MetaPathFinder, importlib.abc.ExecutionLoader):
        def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
            module, package = f"{fullname.replace('.', '/')}.py", f"{fullname.replace('.', '/')}/__init__.py"
            if module not in sources and package not in sources:
                return None
            return importlib.util.spec_from_loader(fullname, self, is_package=package in sources)

        def get_filename(self, fullname: str) -> str:
            name = fullname.replace(".", "/")
            return f"bitlens/{name}/__init__.py" if f"{name}/__init__.py" in sources else f"bitlens/{name}.py"

        def get_source(self, fullname: str) -> str:
            return sources[self.get_filename(fullname).partition("/")[2]]

    return Importer()


def _damage(venv: str) -> dict[str, str]:
    """What is wrong with the environment that this interpreter should be of; empty where nothing is."""
    import importlib.util
    import os
    import sys

    if not os.path.lexists(venv) and importlib.util.find_spec("numpy") is None:
        return {"missing_environment": sys.executable}

    problem = environment_fault(venv)
    if not problem and os.path.lexists(venv) and os.path.realpath(sys.prefix) != os.path.realpath(venv):
        problem = "its interpreter does not start, or others could write to it"
    return {"damaged": problem, "python": listed_environment(venv).get("python", "")} if problem else {}


def _start_agent(
    channel: Any, cache: str, digest: str, memory_mib: int | None, adopt: bool, own_environment: bool
) -> None:
    """Get the agent's source unless it is there and whole, and serve."""
    import hashlib
    import os
    import sys

    cache = claim_cache(cache_folder(cache), adopt=adopt)
    damage = _damage(os.path.join(cache, "venv")) if own_environment else {}
    if damage:
        channel.send(damage)
        return
    path = os.path.join(private_folder(os.path.join(cache, "agent")), f"{digest}.zip")
    content = read_whole(path, digest)
    channel.send({"missing": content is None})
    if content is None:
        content = channel.receive()
        if hashlib.sha256(content).hexdigest() != digest:
            raise OSError("the agent's source was altered on its way here")
        write_whole(path, content)
    sys.meta_path.insert(0, archive_importer(content))
    from device.agent import serve

    serve(channel, cache, memory_mib)
