"""One agent process on a pipe: starting it, asking it, and ending it, with every failure made clear.

execnet's worker is sent as source to a plain Python interpreter; the command that starts this interpreter is all that
tells one kind of device from another. execnet carries builtin types and bytes only.
"""

from __future__ import annotations

import inspect
import itertools
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import execnet
from execnet import gateway_base, gateway_bootstrap
from execnet.xspec import XSpec

from harness.devices.bootstrap import agent_archive, start_script
from harness.devices.faults import AgentError, AgentLost, DeadlinePassed, Unreachable

CONNECT_SECONDS = 30.0
GOODBYE_SECONDS = 5.0
PIECE_BYTES = 4 << 20
LAST_WORDS = 2000  # characters of the agent's stderr that an error quotes
Progress = Callable[[dict[str, Any]], None]


@contextmanager
def open_session(
    command: Sequence[str], *, device: str, cache: str, connect_s: float = CONNECT_SECONDS, hint: str = ""
) -> Iterator[Session]:
    """A session with a fresh agent, which `command` starts; ended on the way out, whatever happened."""
    with tempfile.TemporaryFile() as stderr:
        process = _Process(command, stderr)
        try:
            session = Session(device, process, _connect(process, device, connect_s, hint, cache))
            yield session
            session.close()
        finally:
            process.end()


class Session:
    """Requests to one agent. Not for several threads."""

    def __init__(self, device: str, process: _Process, channel: Any) -> None:
        self.device = device
        self._process, self._channel = process, channel
        self._ids = itertools.count(1)

    def request(
        self, verb: str, *, deadline_s: float, on_progress: Progress | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Ask and wait for the answer, at most `deadline_s` seconds.

        Raises AgentError when the agent answers with an error; AgentLost when it is gone; DeadlinePassed when it is
        silent for too long, in which case it has been ended.
        """
        number, until = next(self._ids), time.monotonic() + deadline_s
        self._send({"id": number, "verb": verb, "deadline_s": deadline_s, "arguments": arguments}, verb)
        while True:
            reply = self._receive(verb, until, deadline_s)
            if "progress" in reply:
                if on_progress is not None:
                    on_progress(reply["progress"])
            elif "error" in reply:
                raise self._agent_error(verb, reply["error"])
            else:
                result: dict[str, Any] = reply["result"]
                return result

    def put(self, sha256: str, path: Path, *, deadline_s: float, on_progress: Progress | None = None) -> None:
        """Send an artifact unless the device has it already."""
        size, until = path.stat().st_size, time.monotonic() + deadline_s
        ask: dict[str, Any] = {"sha256": sha256, "size": size}
        if self.request("put", deadline_s=deadline_s, offset=0, content=b"", **ask)["present"]:
            return
        with path.open("rb") as file:
            for offset in range(0, size, PIECE_BYTES):
                left = max(until - time.monotonic(), 0.001)
                self.request("put", deadline_s=left, offset=offset, content=file.read(PIECE_BYTES), **ask)
                if on_progress is not None:
                    on_progress({"stage": "put", "done": min(offset + PIECE_BYTES, size), "of": size})

    def close(self) -> None:
        """Say goodbye, so that the process ends by itself."""
        with suppress(AgentLost, DeadlinePassed):
            self.request("bye", deadline_s=GOODBYE_SECONDS)

    def _send(self, message: dict[str, Any], verb: str) -> None:
        try:
            self._channel.send(message)
        except OSError as error:
            raise self._lost(verb) from error

    def _receive(self, verb: str, until: float, deadline_s: float) -> dict[str, Any]:
        try:
            reply: dict[str, Any] = self._channel.receive(timeout=max(until - time.monotonic(), 0.001))
        except self._channel.TimeoutError:
            self._process.kill()
            raise DeadlinePassed(
                f'device "{self.device}": no answer to {verb} within {deadline_s:g} s; the agent was ended'
            ) from None
        except (EOFError, OSError) as error:
            raise self._lost(verb) from error
        except self._channel.RemoteError as error:
            raise AgentLost(f'device "{self.device}": the agent failed in {verb}: {error}') from error
        return reply

    def _lost(self, verb: str) -> AgentLost:
        return AgentLost(f'device "{self.device}": the agent was lost in {verb}: {self._process.obituary()}')

    def _agent_error(self, verb: str, error: dict[str, str]) -> AgentError:
        return AgentError(
            f'device "{self.device}": {verb} failed: {error["kind"]}: {error["message"]}',
            kind=error["kind"],
            remote_traceback=error["traceback"],
        )


class _Process(gateway_base.Popen2IO):
    """The started command as execnet's in- and output, with its stderr kept for the obituary."""

    def __init__(self, command: Sequence[str], stderr: IO[bytes]) -> None:
        self.command, self._stderr, self._killed = list(command), stderr, False
        try:
            self.popen = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise Unreachable(f"{command[0]}: could not be started: {error.strerror}") from error
        super().__init__(self.popen.stdin, self.popen.stdout, execmodel=gateway_base.get_execmodel("thread"))

    def kill(self) -> None:
        self._killed = True
        self.popen.kill()

    def wait(self) -> int | None:
        return self.popen.wait()

    def end(self) -> None:
        """Close the pipe, which the agent takes as the order to end; insist after a while."""
        with suppress(OSError, ValueError):
            self.close_write()
        try:
            self.popen.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.popen.wait()
        with suppress(OSError, ValueError):
            self.close_read()

    def last_words(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace").strip()[-LAST_WORDS:]

    def obituary(self) -> str:
        """How the process ended, and the end of what it wrote to stderr."""
        try:
            status: int | None = self.popen.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        words = self.last_words()
        return _exit_in_words(status) + (f"\n{words}" if words else "")


def _exit_in_words(status: int | None) -> str:
    """Shells and ssh report death by signal n as 128 + n, subprocess as -n."""
    if status is None:
        return "it hung up, but has not ended"
    signal = -status if status < 0 else status - 128 if 128 < status < 160 else 0
    known = {
        6: "aborted",
        7: "bus error",
        9: "killed, often for lack of memory",
        11: "segmentation fault",
        15: "terminated",
    }
    if signal:
        return f"signal {signal} ({known[signal]})" if signal in known else f"signal {signal}"
    return "connection cut" if status == 255 else f"exit status {status}"


def _connect(process: _Process, device: str, connect_s: float, hint: str, cache: str) -> Any:
    """Send execnet's worker and the agent; returns the channel on which the agent listens."""
    watchdog = threading.Timer(connect_s, process.kill)
    watchdog.start()
    try:
        gateway = _start_worker(process)
        digest, archive = agent_archive()
        channel = gateway.remote_exec(start_script(cache, digest))
        if channel.receive(timeout=connect_s):
            channel.send(archive)
        return channel
    except (OSError, EOFError, AssertionError, gateway_base.TimeoutError, gateway_base.RemoteError) as error:
        raise Unreachable(_why_unreachable(process, device, connect_s, error), hint=hint) from error
    finally:
        watchdog.cancel()


def _start_worker(process: _Process) -> Any:
    gateway_bootstrap.sendexec(
        process,
        inspect.getsource(gateway_base),
        'execmodel = get_execmodel("thread")',
        "io = init_popen_io(execmodel)",
        'io.write(b"1")',
        'serve(io, id="agent")',
    )
    first = process.read(1)
    assert first == b"1", f"expected the agent, got the output {first + _what_came_first(process)!r}"
    return execnet.Gateway(process, XSpec("popen//id=agent"))


def _what_came_first(process: _Process) -> bytes:
    """A login script that prints is the usual culprit; its line says which."""
    return bytes(process.infile.readline(200))


def _why_unreachable(process: _Process, device: str, connect_s: float, error: Exception) -> str:
    if process._killed:
        return f'device "{device}": no agent within {connect_s:g} s from {_shown(process.command)}'
    if isinstance(error, AssertionError):
        return f'device "{device}": {error}'
    return f'device "{device}": could not be reached by {_shown(process.command)}: {process.obituary()}'


def _shown(command: Sequence[str]) -> str:
    """The part of the command that a person would type."""
    return " ".join(itertools.takewhile(lambda word: word not in ("-u", "--"), command))
