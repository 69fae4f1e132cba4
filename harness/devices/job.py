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

from device.delegates import machine_of
from device.files import hash_of
from device.flatbuffer import MOST_BYTES, custom_operators
from device.runtimes import LCE_OPERATORS, RUNTIMES
from device.text import printable
from harness.devices.device import DEFAULT_KIND, Device
from harness.devices.retry import connected
from harness.devices.runtime_choice import AUTO, Runtime, as_choice
from harness.devices.transport.session import Progress, Session
from harness.errors import ConfigError, DeviceError
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
    runtime: Runtime
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
        chosen = as_choice(self.runtime)
        with self.put() as (session, sha256), chosen.named_in_faults():
            before_load(session)
            how = self.executed_by(session)
            answer = session.request(
                "load",
                deadline_s=LOAD_SECONDS + waiting_s,
                on_progress=self.on_progress,
                sha256=sha256,
                num_threads=self.num_threads,
                preprocessing=_plain(self.preprocessing),
                cpus=cpus,
                lock=lock,
                cool_down=cool_down,
                inputs=self.inputs,
                **how,
            )
            ours = how["options"].get("sent") or (self.device.kind == DEFAULT_KIND and chosen.delegate_sha256)
            origin = None if chosen.delegate is None else "this host" if ours else "the device"
            yield session, {**answer, **chosen.answers_for(answer["runtime"]), "delegate_from": origin}

    def executed_by(self, session: Session) -> dict[str, Any]:
        """What `load` and `profile` are told of the runtime; what it needs of this host's is put there."""
        chosen = as_choice(self.runtime)
        said = {key: chosen.record().get(key) for key in ("xnnpack", "accelerator", "weight_cache")}
        return {
            "runtime": chosen.base,
            "library": self._library(session),
            "options": {**said, **self._delegate(session)},
        }

    def _library(self, session: Session) -> str | None:
        """Put our LCE operators there if the artifact needs them; their SHA-256.

        Where nothing can build them, a device with Larq Compute Engine's own interpreter does without.
        """
        base = as_choice(self.runtime).base
        without = (runtime.name for runtime in RUNTIMES if not runtime.takes_library)
        if not _needs_lce(self.artifact) or base in without:
            return None
        answer = session.request("hello", deadline_s=HELLO_SECONDS)
        try:
            path = build.library(answer["machine"]["architecture"])
        except build.NoCompiler:
            if base == AUTO and any(runtime["name"] == LCE_RUNTIME for runtime in answer["runtimes"]):
                return None
            raise
        return _put(session, path)

    def _delegate(self, session: Session) -> dict[str, Any]:
        """Which library the agent shall load: its own by that name or path, or this host's, put there.

        Raises DeviceError for a file of this host that is for another machine, or not the one that was planned with.
        """
        chosen = as_choice(self.runtime)
        if chosen.delegate is None:
            return {}
        told: dict[str, Any] = {"delegate": chosen.delegate, "delegate_name": chosen.shown_delegate}
        told["delegate_options"] = dict(chosen.options)
        if chosen.delegate_sha256 is None:
            return told
        if _sha256_of(Path(chosen.delegate)) != chosen.delegate_sha256:
            raise DeviceError(f'delegate "{chosen.delegate}": it changed since this was planned', hint="run it again")
        if self.device.kind == DEFAULT_KIND:
            return told
        there = session.request("hello", deadline_s=HELLO_SECONDS)["machine"]["architecture"]
        built_for = machine_of(chosen.delegate)
        if built_for != there and chosen.of_host:
            what = f'delegate "{chosen.shown_delegate}": it is built for {built_for or "no machine"}'
            raise DeviceError(f'{what}, and device "{self.device.name}" is {there}', hint="one built for that")
        if built_for != there:
            return told
        return {**told, "delegate": _put(session, Path(chosen.delegate)), "sent": True}


def our_lock(wait_s: float) -> dict[str, Any]:
    """The device's measuring lock, as `Job.loaded` asks for it: in this user's name, waiting for so long at most."""
    return {"holder": f"{getpass.getuser()} from {socket.gethostname()}", "wait_s": wait_s}


def _sha256_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hash_of(file)
    except OSError as error:
        raise ConfigError(f'"{printable(str(path))}" could not be read ({error.strerror})') from error


def _put(session: Session, path: Path, on_progress: Progress | None = None) -> str:
    sha256 = _sha256_of(path)
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
