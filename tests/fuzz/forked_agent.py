"""An agent that is forked off this process, so that the next one is there in milliseconds when a file has ended it.

It is `device.agent.serve` as on any device, asked through `Session` as by any host.
"""

from __future__ import annotations

import os
import signal
import tempfile
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from device import agent
from harness.devices.transport.exit_status import in_words
from harness.devices.transport.session import Session


class ForkedAgent:
    """`session` asks it. What this process has imported, the agent has too: import the runtimes before."""

    def __init__(self, cache: str, *, memory_mib: int) -> None:
        self.peak_bytes = 0
        self._status: int | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
        ours, its = Pipe()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _serve(its, self._stderr, cache, memory_mib)
        its.close()
        self._channel = Channel(ours)
        self.session = Session("forked", self, self._channel)
        self.session.await_ready(60)

    def end(self) -> None:
        """Close the pipe, upon which it ends; whatever still runs is killed."""
        self._channel.close()
        self.kill()
        self.exit_status()
        self._stderr.close()

    def kill(self) -> None:
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)

    def exit_status(self) -> int | None:
        if self._status is None:
            _, status, used = os.wait4(self._pid, 0)
            self._status = os.waitstatus_to_exitcode(status)
            self.peak_bytes = used.ru_maxrss * 1024
        return self._status

    def stderr_quote(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")[-2000:]

    def exit_report(self) -> str:
        return f"{in_words(self.exit_status())}\n{self.stderr_quote()}".strip()


class Channel:
    """What execnet's channel offers to both ends."""

    TimeoutError, RemoteError = TimeoutError, ChildProcessError

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self.send, self.close = connection.send, connection.close

    def receive(self, timeout: float | None = None) -> Any:
        if not self._connection.poll(timeout):
            raise TimeoutError
        return self._connection.recv()

    def waitclose(self, timeout: float) -> None:
        raise EOFError


def _serve(connection: Connection[Any, Any], stderr: IO[bytes], cache: str, memory_mib: int) -> None:
    """The whole life of the child: it must never come back into the code of its parent."""
    try:
        os.dup2(stderr.fileno(), 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        agent.serve(Channel(connection), cache, memory_mib)
    except EOFError:
        pass
    finally:
        os._exit(0)
