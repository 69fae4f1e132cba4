"""Links of any speed on this machine, and a board at their end whose runtime sleeps; for benchmarks/links.py."""

from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

from harness.devices.device import Device, make_device
from tests.harness.devices.devices_under_test import SshServer, free_port

SIDE = 224
Seconds = float

# A runtime that is asked as any other is.
SLEEPING = """
import time
import numpy as np
class Graph:
    def NumNodes(self): return 0
class Interpreter:
    _interpreter = Graph()
    def __init__(self, **how): pass
    def allocate_tensors(self): pass
    def _get_ops_details(self): return []
    def get_input_details(self):
        shape = np.array([1, {side}, {side}, 3])
        return [dict(name="x", index=0, shape=shape, shape_signature=shape, dtype=np.float32, quantization=(0.0, 0))]
    def get_output_details(self):
        return [dict(name="y", index=1, shape=np.array([1, 5]), dtype=np.float32, quantization=(0.0, 0))]
    def set_tensor(self, index, array): self._array = array.copy()
    def invoke(self): time.sleep({seconds})
    def get_tensor(self, index): return self._array[:, 0, :5, 0]
"""
ALONE = """
import sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter, image = Interpreter(), np.zeros((1, {side}, {side}, 3), np.float32)
began = time.monotonic()
for _ in range(int(sys.argv[1])):
    interpreter.set_tensor(0, image)
    interpreter.invoke()
print(time.monotonic() - began)
"""
PYTHON = '#!/bin/sh\nPYTHONPATH={site} exec {python} "$@"\n'
SSH = """Host board
    HostName 127.0.0.1
    Port {port}
    IdentityFile {folder}/client_key
    IdentitiesOnly yes
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking no
    LogLevel ERROR
"""


@dataclass(frozen=True)
class Link:
    """`delay_s` each way; `bits_per_s` None for as many as the machine moves."""

    delay_s: float = 0.0
    bits_per_s: float | None = None


LINKS = {
    "ssh": Link(),
    "ssh-20ms": Link(delay_s=0.02),
    "ssh-100mbit": Link(bits_per_s=100e6),
    "ssh-10mbit": Link(bits_per_s=10e6),
}


@contextmanager
def proxy(link: Link, target: int) -> Iterator[int]:
    """The port of a process that passes on what it gets to the port `target`, as slowly as the link."""
    spawning, port = multiprocessing.get_context("spawn"), free_port()
    listens = spawning.Event()
    process = spawning.Process(target=_serve, args=(link, port, target, listens), daemon=True)
    process.start()
    listens.wait()
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _serve(link: Link, port: int, target: int, listens: Event) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(_pass_on(link, reader, there_writer), _pass_on(link, there_reader, writer))

    async def serve() -> None:
        async with await asyncio.start_server(connected, "127.0.0.1", port) as server:
            listens.set()
            await server.serve_forever()

    asyncio.run(serve())


async def _pass_on(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What comes in leaves when the link has moved it, and its delay has passed; so much at most is under way."""
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=64)

    async def take() -> None:
        free_at = 0.0
        while True:
            content = await reader.read(1 << 14)
            took = 8 * len(content) / link.bits_per_s if link.bits_per_s else 0.0
            free_at = max(free_at, time.monotonic()) + took
            await waiting.put((free_at + link.delay_s, content))
            if not content:
                return
            await asyncio.sleep(max(0.0, free_at - time.monotonic()))

    async def give() -> None:
        while True:
            due, content = await waiting.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if not content:
                writer.close()
                return
            writer.write(content)
            await writer.drain()

    await asyncio.gather(take(), give(), return_exceptions=True)


@contextmanager
def device_over(name: str, server: SshServer, folder: Path, python: Path) -> Iterator[Device]:
    """The board at the end of the link."""
    row = {"name": name, "python": str(python), "cache": str(folder / "cache")}
    if name == "local":
        yield make_device({**row, "kind": "local"})
        return
    with proxy(LINKS[name], server.port) as port:
        config = folder / name
        config.write_text(SSH.format(port=port, folder=server.folder))
        yield make_device({**row, "kind": "ssh", "host": "board", "config": str(config)})


def alone(python: Path, count: int) -> Seconds:
    script = ALONE.replace("{side}", str(SIDE))
    done = subprocess.run([python, "-c", script, str(count)], check=True, capture_output=True, text=True)
    return float(done.stdout)


def board_python(folder: Path, seconds: Seconds) -> Path:
    """An interpreter whose runtime sleeps."""
    package = folder / "site" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    text = SLEEPING.replace("{side}", str(SIDE)).replace("{seconds}", str(seconds))
    (package / "interpreter.py").write_text(text)
    python = folder / "python"
    python.write_text(PYTHON.format(site=folder / "site", python=sys.executable))
    python.chmod(0o755)
    return python
