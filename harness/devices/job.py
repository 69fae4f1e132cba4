"""What every job with an artifact begins with: connect, put the artifact there, load it."""

from __future__ import annotations

import getpass
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.files import hash_of
from device.flatbuffer import MOST_BYTES, custom_operators
from device.runtimes import LCE_OPERATORS
from device.text import printable
from harness.devices.device import Device
from harness.devices.retry import connected
from harness.devices.transport.session import Progress, Session
from harness.errors import ConfigError
from harness.native import build

Record = Mapping[str, Any]
LCE_RUNTIME = "larq-compute-engine"
HELLO_SECONDS = 60.0
PUT_SECONDS = 1800.0
LOAD_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One artifact on one device.

    preprocessing  how images become its input; None for an artifact that is only measured.
    inputs         what is said of its inputs (device/inputs.py): signature, shapes, ranges and arrays.
    """

    device: Device
    artifact: Path
    runtime: str
    num_threads: int
    preprocessing: Record | None = None
    inputs: dict[str, Any] | None = None
    on_progress: Progress | None = None

    @contextmanager
    def put(self) -> Iterator[tuple[Session, str]]:
        """connect -> put. Yields the session and the artifact's SHA-256."""
        _require_plain_file(self.artifact)
        with connected(self.device) as session:
            yield session, _put(session, self.artifact, self.on_progress)

    @contextmanager
    def loaded(
        self,
        *,
        cpus: list[int] | None = None,
        lock: dict[str, Any] | None = None,
        cool_down: dict[str, float] | None = None,
        before_load: Callable[[Session], None] = lambda session: None,
    ) -> Iterator[tuple[Session, dict[str, Any]]]:
        """connect -> put -> load. Yields the session and what the agent says of the loaded artifact."""
        waiting_s = (lock["wait_s"] if lock else 0) + (cool_down["max_seconds"] if cool_down else 0)
        with self.put() as (session, sha256):
            before_load(session)
            answer = session.request(
                "load",
                deadline_s=LOAD_SECONDS + waiting_s,
                on_progress=self.on_progress,
                sha256=sha256,
                runtime=self.runtime,
                num_threads=self.num_threads,
                preprocessing=_plain(self.preprocessing),
                cpus=cpus,
                lock=lock,
                library=self.library(session),
                cool_down=cool_down,
                inputs=self.inputs,
            )
            yield session, answer

    def library(self, session: Session) -> str | None:
        """Put our LCE operators there if the artifact needs them; their SHA-256.

        Where nothing can build them, a device with Larq Compute Engine's own interpreter does without.
        """
        if not _needs_lce(self.artifact) or self.runtime == LCE_RUNTIME:
            return None
        answer = session.request("hello", deadline_s=HELLO_SECONDS)
        try:
            path = build.library(answer["machine"]["architecture"])
        except build.NoCompiler:
            if self.runtime == "auto" and any(runtime["name"] == LCE_RUNTIME for runtime in answer["runtimes"]):
                return None
            raise
        return _put(session, path)


def our_lock(wait_s: float) -> dict[str, Any]:
    """The device's measuring lock, as `Job.loaded` asks for it: in this user's name, waiting for so long at most."""
    return {"holder": f"{getpass.getuser()} from {socket.gethostname()}", "wait_s": wait_s}


def _put(session: Session, path: Path, on_progress: Progress | None = None) -> str:
    with path.open("rb") as file:
        sha256 = hash_of(file)
    session.put(sha256, path, deadline_s=PUT_SECONDS, on_progress=on_progress)
    return sha256


def _require_plain_file(artifact: Path) -> None:
    """Nothing but a plain file ends: a pipe would be waited for, /dev/zero read for ever."""
    named = printable(str(artifact))
    try:
        status = artifact.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f'artifact: "{named}" is not a plain file')
        if status.st_size == 0:  # as those of /proc are, whatever can be read from them
            raise ConfigError(f'artifact: "{named}" is empty')
        if status.st_size > MOST_BYTES:
            raise ConfigError(f'artifact: "{named}" has more than the {MOST_BYTES >> 20} MiB that a device takes')
        artifact.open("rb").close()
    except OSError as error:
        raise ConfigError(f'artifact: "{named}" could not be read ({error.strerror})') from error


def _needs_lce(artifact: Path) -> bool:
    try:
        return any(name.startswith(LCE_OPERATORS) for name in custom_operators(str(artifact)))
    except ValueError:
        return False  # not a flatbuffer at all; the device says so


def _plain(record: Record | None) -> dict[str, Any] | None:
    """Only builtin types cross the wire."""
    if record is None:
        return None
    plain = {key: record[key] for key in ("height", "width", "channel_order")}
    return {**plain, "mean": [float(m) for m in record["mean"]], "scale": [float(s) for s in record["scale"]]}
