"""A Python interpreter at the other end of a pipe, started by any command line, made into an execnet channel.

execnet's worker is sent as source to a plain interpreter; kinds of devices differ in the command that starts this
interpreter, and in nothing else. execnet carries builtin types and bytes only.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import execnet
from execnet import gateway_base, gateway_bootstrap
from execnet.xspec import XSpec

from device.text import printable
from harness.devices.transport.exit_status import SSH_FAILED, in_words
from harness.devices.transport.faults import Away, Unreachable

CONNECT_SECONDS = 60.0
GOODBYE_SECONDS = 5.0
QUOTED_BYTES = 1000  # of the beginning and of the end of the other side's stderr, which an error quotes

# What execnet sends first is read and executed by this line; -u because the pipe carries messages, not text. Python
# puts the current folder, which is '', on the path of -c: a statistics.py that lies there must not become ours.
PYTHON_ARGUMENTS = ("-u", "-c", "import sys;sys.path[:]=filter(None,sys.path);exec(eval(sys.stdin.readline()))")


# What ssh says of a host that is there and does not let us in, and of what is wrong with its own configuration.
_REFUSALS = (
    "Permission denied", "Host key verification failed", "Too many authentication failures", "Unable to negotiate",
    "config file", "configuration option", "extra arguments", "Bad port",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a device must know to be spoken to: its name, and the command that starts its interpreter."""

    device: str
    command: tuple[str, ...]
    address: str  # what a person would call the other side: "ssh pi@pi4.local"
    hint: str = ""  # what to try when it does not answer
    connect_s: float = CONNECT_SECONDS
    is_remote: bool = False  # whether it may be away: off, starting, or behind a network that is down


@contextmanager
def open_channel(connection: Connection, script: str) -> Iterator[tuple[Process, Any]]:
    """Start the interpreter and let it execute `script`, which finds the other end of the channel as `channel`.

    Raises Unreachable. The process is ended on the way out, whatever happened.
    """
    with tempfile.TemporaryFile() as stderr:
        process = Process(connection, stderr)
        try:
            yield process, _connect(process, connection, script)
        finally:
            process.end()


class Process(gateway_base.Popen2IO):
    """The started command as execnet's in- and output, with its stderr kept for the report of its end."""

    def __init__(self, connection: Connection, stderr: IO[bytes]) -> None:
        self._stderr, self.was_killed = stderr, False
        try:
            self._popen = subprocess.Popen(
                connection.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the host, which then ends the agent in good order
            )
        except OSError as error:
            problem = f'device "{connection.device}": {connection.command[0]}: could not be started: {error.strerror}'
            raise Unreachable(problem, hint=connection.hint) from error
        super().__init__(self._popen.stdin, self._popen.stdout, execmodel=gateway_base.get_execmodel("thread"))

    def kill(self) -> None:
        self.was_killed = True
        self._popen.kill()

    def wait(self) -> int | None:
        return self._popen.wait()

    def end(self) -> None:
        """Close the pipe, which the worker takes as the order to end; insist after a while."""
        with suppress(OSError, ValueError):
            self.close_write()
        try:
            self._popen.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self._popen.wait()
        with suppress(OSError, ValueError):
            self.close_read()

    def exit_status(self) -> int | None:
        try:
            return self._popen.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def stderr_quote(self) -> str:
        """Its beginning, where a stack says what it is of, and its end."""
        size = os.fstat(self._stderr.fileno()).st_size
        self._stderr.seek(0)
        words = self._stderr.read(QUOTED_BYTES)
        if size > 2 * QUOTED_BYTES:
            self._stderr.seek(-QUOTED_BYTES, os.SEEK_END)
            words += b"\n...\n"
        words += self._stderr.read()
        return printable(words.decode(errors="replace").replace("\r\n", "\n").strip())

    def exit_report(self) -> str:
        """How the process ended, and what it wrote to stderr."""
        status, words = self.exit_status(), self.stderr_quote()
        return in_words(status) + (f"\n{words}" if words else "")


def _connect(process: Process, connection: Connection, script: str) -> Any:
    watchdog = threading.Timer(connection.connect_s, process.kill)
    watchdog.start()
    try:
        return _start_worker(process).remote_exec(script)
    except (OSError, EOFError, ValueError) as error:
        fault = Away if _is_away(process, connection, error) else Unreachable
        raise fault(_why_unreachable(process, connection, error), hint=connection.hint) from error
    finally:
        watchdog.cancel()


def _start_worker(process: Process) -> Any:
    gateway_bootstrap.sendexec(
        process,
        inspect.getsource(gateway_base),
        'execmodel = get_execmodel("thread")',
        "io = init_popen_io(execmodel)",
        'io.write(b"1")',
        'serve(io, id="agent")',
    )
    first = process.read(1)
    if first != b"1":  # a login script that prints is the usual culprit; the line says which
        line = first + process.infile.readline(200)
        raise ValueError(f"expected the agent, got this text: {line.decode(errors='replace').strip()!r}")
    return execnet.Gateway(process, XSpec("popen//id=agent"))


def _is_away(process: Process, connection: Connection, error: Exception) -> bool:
    """Whether nobody answered; whoever answers and refuses us will go on doing so."""
    if not connection.is_remote or isinstance(error, ValueError):
        return False
    words = process.stderr_quote()
    return process.was_killed or (process.exit_status() == SSH_FAILED and not any(no in words for no in _REFUSALS))


def _why_unreachable(process: Process, connection: Connection, error: Exception) -> str:
    start = f'device "{connection.device}"'
    if process.was_killed:
        return f"{start}: no answer from {connection.address} within {connection.connect_s:g} s"
    if isinstance(error, ValueError):
        return f"{start}: {connection.address}: {error}"
    words = process.stderr_quote() if process.exit_status() == SSH_FAILED else ""  # ssh's own, which say why
    return f"{start}: {connection.address}: {words or process.exit_report()}"
