"""One agent on a channel: asking it, and which fault it is when no good answer comes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from device.text import printable
from harness.devices.transport.advice import explained
from harness.devices.transport.exit_status import SSH_FAILED, signal_number
from harness.devices.transport.faults import AgentError, AgentLost, ConnectionCut, DeadlinePassed, LackOfMemory
from harness.devices.transport.replies import BadReply, cleaned, parsed
from harness.saying import detail

GOODBYE_SECONDS = 5.0
PIECE_BYTES = 4 << 20
_FREQUENT = ("put", "predict", "perturb", "bye")  # not worth a line each
# What native code writes when the kernel has refused it memory, before it ends its process.
_NO_MEMORY = ("std::bad_alloc", "MemoryError", "Cannot allocate memory", "out of memory", "failed to allocate")
Progress = Callable[[dict[str, Any]], None]


class Process(Protocol):
    """The process that an agent runs in, or that leads to it."""

    def kill(self) -> None: ...

    def exit_status(self) -> int | None: ...

    def stderr_quote(self) -> str:
        """The last that it wrote."""
        ...

    def exit_report(self) -> str:
        """How it ended, in words, with the last that it wrote."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was sent, and that waits for its answer."""

    verb: str
    number: int
    deadline_s: float


class Session:
    """Requests to one agent, which it answers in their order. Not for several threads.

    is_remote  whether what is sent crosses a network.
    """

    def __init__(self, device: str, process: Process, channel: Any, *, is_remote: bool = False) -> None:
        self.device, self.is_remote = device, is_remote
        self._process, self._channel = process, channel
        self._ids = itertools.count(1)
        self.memory_limit_bytes: int | None = None  # what the agent's process may ask for, once it has said so

    def await_ready(self, deadline_s: float) -> None:
        """Wait until the agent says that it is there, and what its process may ask for of the memory."""
        ready = self.receive("start", time.monotonic() + deadline_s, deadline_s)
        limit = ready.get("memory_limit_bytes") if isinstance(ready, dict) else None
        self.memory_limit_bytes = limit if isinstance(limit, int) else None
        detail(f"{self.device}: an agent has started")

    def request(
        self, verb: str, *, deadline_s: float, on_progress: Progress | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Ask and wait for the answer, at most `deadline_s` seconds.

        Raises AgentError when the agent answers with an error; AgentLost when it is gone; DeadlinePassed when it is
        silent for too long, in which case it has been ended.
        """
        return self.answer(self.ask(verb, deadline_s=deadline_s, **arguments), on_progress)

    def ask(self, verb: str, *, deadline_s: float, **arguments: Any) -> Asked:
        """Send a request. Others may be sent before it is answered; `deadline_s` begins when its turn comes."""
        asked = Asked(verb, next(self._ids), deadline_s)
        self.send({"id": asked.number, "verb": verb, "deadline_s": deadline_s, "arguments": arguments}, verb)
        return asked

    def answer(self, asked: Asked, on_progress: Progress | None = None) -> dict[str, Any]:
        """Wait for it, at most as long as was said, from now on. Raises what `request` raises."""
        until = time.monotonic() + asked.deadline_s
        while True:
            message = self.receive(asked.verb, until, asked.deadline_s)
            if isinstance(message, dict) and message.get("id", asked.number) != asked.number:
                continue  # the answer to a request that nobody waits for any more
            part, content = self._parsed(asked.verb, message)
            if part == "error":
                raise self._agent_error(asked.verb, content)
            if part == "result":
                if asked.verb not in _FREQUENT:
                    detail(f"{self.device}: {asked.verb} is answered")
                return content
            if on_progress is not None:
                on_progress(content)

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

    def send(self, message: Any, verb: str) -> None:
        try:
            self._channel.send(message)
        except OSError as error:
            raise self._why_closed(verb) from error

    def receive(self, verb: str, until: float, deadline_s: float) -> Any:
        """The next message, its texts made printable."""
        try:
            return cleaned(self._channel.receive(timeout=max(until - time.monotonic(), 0.001)))
        except BadReply as error:
            raise self._bad_reply(verb, error) from error
        except self._channel.TimeoutError:
            self._process.kill()
            raise DeadlinePassed(
                f'device "{self.device}": no answer to {verb} within {deadline_s:g} s; the agent was stopped'
            ) from None
        except (EOFError, OSError) as error:
            raise self._lost(verb) from error
        except self._channel.RemoteError as error:
            raise self._failed_outside_a_request(verb, str(error)) from error

    def _parsed(self, verb: str, message: Any) -> tuple[str, dict[str, Any]]:
        try:
            return parsed(message)
        except BadReply as error:
            raise self._bad_reply(verb, error) from error

    def _bad_reply(self, verb: str, error: BadReply) -> AgentError:
        """The other side is no agent of ours any more, so it is ended."""
        self._process.kill()
        problem = f'device "{self.device}": the answer to {verb} is not one of the agent\'s: {error}'
        return AgentError(problem, kind="BadReply", remote_traceback="")

    def _why_closed(self, verb: str) -> AgentLost | AgentError:
        """What became of an agent to which nothing can be sent any more: it may have failed before we sent it."""
        try:
            self._channel.waitclose(GOODBYE_SECONDS)
        except self._channel.RemoteError as error:
            return self._failed_outside_a_request(verb, str(error))
        except (self._channel.TimeoutError, OSError, EOFError):
            pass
        return self._lost(verb)

    def _lost(self, verb: str) -> AgentLost:
        status = self._process.exit_status()
        number = signal_number(status) if status is not None else 0
        report = f'device "{self.device}": the agent was lost in {verb}: {self._process.exit_report()}'
        if status == SSH_FAILED:
            return ConnectionCut(report, signal=number, verb=verb)
        if any(words in self._process.stderr_quote() for words in _NO_MEMORY):
            return LackOfMemory(f"{self._memory_reason(verb)}\n{report}", signal=number, verb=verb)
        return AgentLost(report, signal=number, verb=verb)

    def _memory_reason(self, verb: str) -> str:
        limit = self.memory_limit_bytes
        most = f"the {limit >> 20} MiB that a job may have there" if limit else "the memory there is"
        return f'device "{self.device}": {verb} needed more than {most}; memory_mib in its row sets another limit'

    def _failed_outside_a_request(self, verb: str, traceback: str) -> AgentError:
        """What was sent could not even be started: no NumPy there, a Python that is too old, a full disk."""
        traceback = printable(traceback)
        last = traceback.strip().splitlines()[-1]
        meaning, hint = explained(last, or_hint=f"bitlens doctor {self.device}")
        problem = f'device "{self.device}": {meaning}the agent ended before {verb}: {last}\n  try: {hint}'
        return AgentError(problem, kind=last.partition(":")[0], remote_traceback=traceback)

    def _agent_error(self, verb: str, error: dict[str, str]) -> AgentError:
        meaning, hint = explained(error["message"])
        problem = f'device "{self.device}": {meaning}{verb} failed: {error["kind"]}: {error["message"]}'
        return AgentError(
            f"{problem}\n  try: {hint}" if hint else problem,
            kind=error["kind"],
            remote_traceback=error["traceback"],
        )
