"""A runtime with options, under a name of its own: a delegate, XNNPACK on or off, one of LiteRT's accelerators.

It is said in a [[runtime]] table of an experiment, or by options of `bitlens bench`. docs/devices.md explains each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Union

from device.delegates import machine_of
from device.files import hash_of
from device.runtimes import RUNTIMES
from harness.devices.transport.faults import AgentError, AgentLost, DeadlinePassed
from harness.errors import ConfigError, nearest, shown

AUTO = "auto"
ACCELERATORS = ("cpu", "gpu", "npu")
WITH_ACCELERATORS = "ai-edge-litert"
RUNTIME_OPTIONS = "runtime_options"  # beside the name of a runtime, where the device of a unit has one with options


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeChoice:
    """What executes an artifact.

    name           what rows call it; empty for the name that the base has.
    base           a runtime of the agent's table, or auto.
    delegate       a path of the device or of this host, or a bare name that the device's loader finds.
    of_host        whether only a file of this host can be meant by `delegate`.
    delegate_sha256  of the file of this host by that path, if there is one: another file is another runtime.
    xnnpack        False leaves it out, True expects it; None takes what comes.
    accelerator    one of ACCELERATORS, for which the whole artifact is compiled.
    weight_cache   whether XNNPACK keeps its form of the weights on the device.
    """

    name: str = ""
    base: str = AUTO
    delegate: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    of_host: bool = False
    delegate_sha256: str | None = None
    xnnpack: bool | None = None
    accelerator: str | None = None
    weight_cache: bool = False

    def record(self) -> dict[str, Any]:
        """As units and records keep it: what was said, and nothing else."""
        return {key: value for key, value in asdict(self).items() if value != _UNSAID[key]}

    @property
    def has_options(self) -> bool:
        """Whether more was said than one of the agent's runtimes."""
        return bool(self.record().keys() - {"base"})

    @property
    def shown_delegate(self) -> str:
        return Path(self.delegate or "").name

    def answers_for(self, runtime: str) -> dict[str, str]:
        """How a record calls what ran: by our name, and beside it the runtime's own."""
        return {"runtime": self.name, "runtime_base": runtime} if self.name else {"runtime": runtime}

    @contextmanager
    def named_in_faults(self) -> Iterator[None]:
        """What goes wrong with options at work may be their fault, and says which they are."""
        try:
            yield
        except (AgentError, AgentLost, DeadlinePassed) as error:
            if self.has_options:
                error.args = (f"with runtime {self.described()}: {error}", *error.args[1:])
            raise

    def described(self) -> str:
        """In a few words, such as `"edgetpu" (ai-edge-litert, delegate libedgetpu.so.1)`."""
        parts = [
            self.base * (self.base != AUTO),
            f"delegate {self.shown_delegate}" * (self.delegate is not None),
            {True: "XNNPACK on", False: "XNNPACK off"}.get(self.xnnpack, "") if self.xnnpack is not None else "",
            f"accelerator {self.accelerator}" * (self.accelerator is not None),
            "weight cache" * self.weight_cache,
        ]
        options = ", ".join(filter(None, parts)) or AUTO
        return f'"{self.name}" ({options})' if self.name else options


Runtime = Union[str, RuntimeChoice]
_UNSAID = asdict(RuntimeChoice())


def as_choice(runtime: Runtime) -> RuntimeChoice:
    return runtime if isinstance(runtime, RuntimeChoice) else RuntimeChoice(base=runtime)


def runtime_of(device: Mapping[str, Any]) -> Runtime:
    """What executes artifacts on the device of a unit."""
    return RuntimeChoice(**device[RUNTIME_OPTIONS]) if RUNTIME_OPTIONS in device else str(device["runtime"])


def chosen(said: Mapping[str, Any], *, folder: Path, where: str | None) -> RuntimeChoice:
    """The choice that a table or a command line says, checked. Raises ConfigError.

    folder  what a relative path of a delegate is relative to.   where  the table; None for the command line.
    """
    said = {key: value for key, value in said.items() if value not in (None, {})}
    _require_sense(said, where)
    if "weight_cache" in said:
        said.setdefault("accelerator", "cpu")
    if "accelerator" in said:
        said["base"] = WITH_ACCELERATORS
    if "delegate" in said:
        said.update(_located(said["delegate"], folder, where))
    said["options"] = {key: _option(value) for key, value in said.get("options", {}).items()}
    return RuntimeChoice(**said)


def _require_sense(said: Mapping[str, Any], where: str | None) -> None:
    base, accelerator = said.get("base", AUTO), said.get("accelerator")
    known = [AUTO, *(runtime.name for runtime in RUNTIMES)]
    if base not in known:
        raise ConfigError(
            f"{_place(where, 'base')}: expected a runtime, got {shown(base)}", hint=nearest(str(base), known)
        )
    if accelerator is not None and accelerator not in ACCELERATORS:
        expected = f"expected one of {', '.join(ACCELERATORS)}, got {shown(accelerator)}"
        raise ConfigError(f"{_place(where, 'accelerator')}: {expected}", hint=nearest(str(accelerator), ACCELERATORS))
    if "options" in said and "delegate" not in said:
        raise ConfigError(f"{_place(where, 'options')}: expected a delegate beside them, since they are its options")
    for key, value in said.get("options", {}).items():
        if not key or not _travels(key + _option(value)):
            raise ConfigError(
                f"{_place(where, 'options')}: expected texts in UTF-8 without a NUL, got {shown(key)} = {shown(value)}"
            )
    compiled = [key for key in ("accelerator", "weight_cache") if said.get(key)]
    if compiled and base not in (AUTO, WITH_ACCELERATORS):
        raise ConfigError(f"{_place(where, compiled[0])}: only {WITH_ACCELERATORS} has it, got base {shown(base)}")
    clashing = [key for key in ("delegate", "xnnpack") if key in said]
    if compiled and clashing:
        raise ConfigError(
            f"{_place(where, compiled[0])}: a compiled artifact takes no {clashing[0]}",
            hint="two runtimes, one with each",
        )
    if said.get("weight_cache") and accelerator in ("gpu", "npu"):
        raise ConfigError(
            f'{_place(where, "weight_cache")}: it is XNNPACK\'s, and accelerator "{accelerator}" runs without'
        )
    if base == "larq-compute-engine" and ("delegate" in said or "xnnpack" in said):
        raise ConfigError(
            f"{_place(where, 'base')}: larq-compute-engine takes no delegates, XNNPACK included",
            hint="ai-edge-litert+lce-ops",
        )


def _place(where: str | None, key: str) -> str:
    """Where a mistake stands: the key of a table, or the option that `bitlens bench` has for it."""
    options = {"base": "runtime", "options": "delegate-option"}
    return f"{where} {key}" if where is not None else f"--{options.get(key, key.replace('_', '-'))}"


def _located(delegate: str, folder: Path, where: str | None) -> dict[str, Any]:
    """Which file is meant: by a name without a slash the device's, by a relative path this host's."""
    of_host = not delegate.startswith("/")
    try:
        if not delegate or not _travels(delegate):
            raise ConfigError(
                f"{_place(where, 'delegate')}: expected the path or the name of a shared library, got {shown(delegate)}"
            )
        if "/" not in delegate:
            if (folder / delegate).exists():
                hint = f"./{delegate} for the file of this host, or a whole path for the device's"
                raise ConfigError(
                    f"{_place(where, 'delegate')}: {shown(delegate)} may be the file here, or the device's", hint=hint
                )
            return {"delegate": delegate}
        path = (folder / Path(delegate).expanduser()).resolve() if of_host else Path(delegate)
        if not machine_of(str(path)):
            if of_host and not path.exists():
                raise ConfigError(f"{_place(where, 'delegate')}: found no file {shown(str(path))}")
            if of_host:
                raise ConfigError(f"{_place(where, 'delegate')}: expected a shared library, got {shown(str(path))}")
            return {"delegate": delegate}
        with path.open("rb") as file:
            sha256 = hash_of(file)
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{_place(where, 'delegate')}: expected a shared library, got {shown(delegate)} ({error})"
        ) from error
    return {"delegate": str(path), "of_host": of_host, "delegate_sha256": sha256}


def _travels(text: str) -> bool:
    """Whether a text gets to a delegate as it is: in UTF-8, and not cut off at a NUL."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text


def _option(value: Any) -> str:
    """Delegates take texts: numbers as they are written, true and false as those words."""
    return str(value).lower() if isinstance(value, bool) else str(value)
