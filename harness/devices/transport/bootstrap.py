"""Starting an agent: its source is zipped, named by its content, unpacked on the device once, and executed there."""

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
from harness.devices.transport.faults import AgentLost, DeadlinePassed, Unreachable
from harness.devices.transport.pipe import Connection, open_channel
from harness.devices.transport.session import Session

CACHE = "~/.cache/bitlens"  # expanded on the device; its XDG_CACHE_HOME goes first
_SUFFIXES = (".py", ".so")


@contextmanager
def open_session(connection: Connection, *, cache: str) -> Iterator[Session]:
    """A session with a fresh agent; ended on the way out, whatever happened."""
    digest, archive = agent_archive()
    with open_channel(connection, start_script(cache, digest)) as (process, channel):
        session = Session(connection.device, process, channel)
        _send_agent(session, connection, archive)
        yield session
        session.close()


def _send_agent(session: Session, connection: Connection, archive: bytes) -> None:
    """The device says whether it lacks this version of the agent's source."""
    try:
        if session.receive("start", time.monotonic() + connection.connect_s, connection.connect_s):
            session.send(archive, "start")
    except (AgentLost, DeadlinePassed) as error:
        raise Unreachable(str(error), hint=connection.hint) from error


@cache
def agent_archive() -> tuple[str, bytes]:
    """(SHA-256, zip) of the `device` package. The same files give the same bytes."""
    folder = Path(device.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.suffix in _SUFFIXES:
                name = path.relative_to(folder.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    return hashlib.sha256(content).hexdigest(), content


def start_script(cache: str, digest: str) -> str:
    """What the device executes to start the agent; it finds `channel` in its globals."""
    return f"{travelling(cache_folder, _start_agent)}\n_start_agent(channel, {cache!r}, {digest!r})"


def travelling(*functions: Callable[..., Any]) -> str:
    """Source for a device to execute: functions that need nothing but the standard library, each other and CACHE."""
    return "\n".join(["from __future__ import annotations", f"CACHE = {CACHE!r}", *map(inspect.getsource, functions)])


def cache_folder(cache: str) -> str:
    """Where a device's cache is, on the machine that executes this."""
    import os

    if cache == CACHE and os.environ.get("XDG_CACHE_HOME"):
        return os.path.join(os.environ["XDG_CACHE_HOME"], "bitlens")
    return os.path.expanduser(cache)


def _start_agent(channel: Any, cache: str, digest: str) -> None:
    """Get the agent's source unless it is there, and serve."""
    import hashlib
    import io
    import os
    import shutil
    import sys
    import tempfile
    import zipfile

    cache = cache_folder(cache)
    agents = os.path.join(cache, "agent")
    folder = os.path.join(agents, digest)
    missing = not os.path.isdir(folder)
    channel.send(missing)
    if missing:
        content = channel.receive()
        if hashlib.sha256(content).hexdigest() != digest:
            raise OSError("the agent's source was altered on its way here")
        os.makedirs(agents, exist_ok=True)
        part = tempfile.mkdtemp(dir=agents)
        zipfile.ZipFile(io.BytesIO(content)).extractall(part)
        try:
            os.rename(part, folder)
        except OSError:  # another agent was faster
            shutil.rmtree(part)
    sys.path.insert(0, folder)
    from device.agent import serve

    serve(channel, cache)
