"""What would spoil a run on a device, before it starts. Asking and diagnosing are apart; diagnosing is pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from harness.devices.device import KINDS, Device, is_set_up
from harness.devices.finding import Finding
from harness.devices.runtime_findings import runtime_findings
from harness.devices.setup.wheels import NEWEST, OLDEST, SUPPORTED_PYTHONS
from harness.devices.surroundings import clock_in_words, look_around
from harness.devices.transport.faults import AgentError, Unreachable
from harness.devices.transport.session import Progress
from harness.devices.validity import HOT_C, OTHER_CPUS_SUSPECT
from harness.errors import DeviceError
from harness.keras_packages import INSTALL_LARQ, is_installed

LOW_DISK_BYTES = 1 << 30  # VGG16 alone is half of it
FULL_DISK_BYTES = 64 << 20  # an artifact of the catalogue's smaller models, and the agent
LOW_MEMORY_BYTES = 256 << 20
CLOCK_SKEW_S = 30.0  # more than this is worth a word
BUSY_LOAD_FRACTION = 0.5
_OLDEST_GLIBC = (2, 27)  # ai-edge-litert's wheels; tflite-runtime's need 2.34
_REPAIR = {"local": "pip install -U numpy ai-edge-litert, in that environment"}  # where `setup` prepares nothing
_NUMPY = 'pip install "numpy<2", or ai-edge-litert'


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a device answered: hello's machine and runtimes, stat, and by how much its clock is ahead."""

    machine: dict[str, Any]
    runtimes: list[dict[str, Any]]
    stat: dict[str, Any]
    clock_ahead_s: float
    kind: str
    name: str = "NAME"
    settled_s: float | None = None  # how long a fresh boot was waited out
    other_cpus: float | None = None  # how many CPUs were busy in the end


def examine(device: Device, *, say: Callable[[str], None] = lambda line: None) -> list[Finding]:
    """Ask the device and diagnose; a device that cannot be asked is a finding too.

    say  told when this takes a while: a board that has just booted is given time to come to rest.
    """
    findings: list[Finding] = []
    try:
        findings += _setup(device)
        findings += _larq(device)
        findings += diagnose(_ask(device, say))
    except DeviceError as error:
        findings.append(_of_error(device, error))
    return findings


def was_reached(findings: Sequence[Finding]) -> bool:
    """Whether the device answered, whatever it had to say."""
    return not any(finding.is_unreachable for finding in findings)


def in_short(findings: Sequence[Finding]) -> str:
    """All findings in a few words: "ok", or how many of the worst severity there are, and the first of them."""
    for severity in ("error", "warning"):
        worst = [finding.what for finding in findings if finding.severity == severity]
        if worst:
            return f"{len(worst)} {severity}{'s' if len(worst) > 1 else ''}: {worst[0].splitlines()[0]}"
    return "ok"


def diagnose(facts: Facts) -> list[Finding]:
    """All findings; a last ok when none of them is a fault."""
    findings = [finding for rule in RULES for finding in rule(facts)]
    if not any(finding.severity != "ok" for finding in findings):
        findings.append(Finding(severity="ok", what="nothing found that would spoil a run"))
    return findings


def _of_error(device: Device, error: DeviceError) -> Finding:
    """What kept the device from answering. Whoever asks the doctor is not sent to the doctor."""
    problem, _, hint = str(error).partition("\n  try: ")
    if isinstance(error, AgentError) and error.kind in ("ImportError", "ModuleNotFoundError"):
        hint = _REPAIR.get(device.kind, f"bitlens device setup {device.name}")
    elif hint.startswith("bitlens doctor"):
        hint = ""
    return Finding(severity="error", what=problem, hint=hint, is_unreachable=isinstance(error, Unreachable))


def _setup(device: Device) -> Iterator[Finding]:
    """Asked without the agent, which may not start where nothing has been set up."""
    if not is_set_up(device):
        what = f'device "{device.name}" has not been set up'
        yield Finding(severity="warning", what=what, hint=f"bitlens device setup {device.name}")


def _larq(device: Device) -> Iterator[Finding]:
    """Asked of this host's own environment: a board needs none of it."""
    if device.kind == "local":
        lacking = [package for package in ("larq", "larq_zoo") if not is_installed(package)]
        if lacking:
            what = f"{' and '.join(lacking)}: not installed, so there are no twins and no binarized models"
            yield Finding(severity="warning", what=what, hint=INSTALL_LARQ)
        else:
            yield Finding(severity="ok", what=f"larq {version('larq')}, larq-zoo {version('larq-zoo')}")


def _ask(device: Device, say: Callable[[str], None]) -> Facts:
    with device.open() as session:
        hello = session.request("hello", deadline_s=120)
        around = look_around(session, on_progress=_say_once(f"{device.name} has just started; waiting for it", say))
    return Facts(
        machine=hello["machine"],
        runtimes=hello["runtimes"],
        stat=around.stat,
        clock_ahead_s=around.clock_ahead_s or 0.0,
        kind=device.kind,
        name=device.name,
        settled_s=around.settled_s,
        other_cpus=around.other_cpus,
    )


def _say_once(line: str, say: Callable[[str], None]) -> Progress:
    told: list[str] = []

    def on_progress(report: dict[str, Any]) -> None:
        if not told:
            told.append(line)
            say(line)

    return on_progress


def _system(facts: Facts) -> Iterator[Finding]:
    machine = facts.machine
    cpu = machine["cpu"] or "unknown processor"
    described = f"{machine['board'] or machine['hostname']}: {cpu}, {machine['cpus']} CPUs, {machine['system']}"
    yield Finding(severity="ok", what=described)
    if machine["bits"] != 64:
        yield Finding(
            severity="error", what="a 32-bit system: no TFLite runtime for it", hint="install a 64-bit system"
        )


def _python(facts: Facts) -> Iterator[Finding]:
    version = tuple(int(part) for part in facts.machine["python"].split(".")[:2])
    if not OLDEST <= version <= NEWEST:
        yield Finding(
            severity="error",
            what=f"Python {facts.machine['python']}: expected {SUPPORTED_PYTHONS}",
            hint='python = "/path/to/another" in the device\'s row',
        )


def _libc(facts: Facts) -> Iterator[Finding]:
    name, _, version = (facts.machine["libc"] or "unknown").partition(" ")
    if name != "glibc":
        yield Finding(
            severity="error", what=f"C library {name}: the runtimes' wheels need glibc", hint="a glibc system"
        )
    elif tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_GLIBC:
        yield Finding(severity="error", what=f"glibc {version}: the runtimes' wheels need 2.27", hint="a newer system")


def _runtimes(facts: Facts) -> Iterator[Finding]:
    mend = _NUMPY if facts.kind == "local" else _repair(facts)
    yield from runtime_findings(facts.runtimes, facts.machine.get("architecture", ""), mend=mend)
    if not any(runtime["usable"] for runtime in facts.runtimes):
        yield Finding(severity="error", what="no usable TFLite runtime", hint=_repair(facts))


def _repair(facts: Facts) -> str:
    return _REPAIR.get(facts.kind, f"bitlens device setup {facts.name}")


def _governor(facts: Facts) -> Iterator[Finding]:
    governors = facts.stat["governors"] or []
    if "powersave" in governors:
        yield Finding(
            severity="warning",
            what="governor powersave: the clock is held low",
            hint="echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )


def _power(facts: Facts) -> Iterator[Finding]:
    bits = facts.stat["throttled_bits"] or 0
    if bits & 0x1:
        yield Finding(severity="warning", what="under-voltage now", hint="a stronger power supply, a shorter cable")
    elif bits & 0x10000:
        yield Finding(severity="warning", what="under-voltage since it was started", hint="a stronger power supply")
    if bits & 0xE:
        yield Finding(severity="warning", what="throttled now: clock capped or too hot", hint="let it cool, add a fan")


def _heat(facts: Facts) -> Iterator[Finding]:
    for name, value in (facts.stat["temperatures_c"] or {}).items():
        if value >= HOT_C:
            yield Finding(severity="warning", what=f"hot: {name} at {value:.0f} °C", hint="let it cool, add a fan")


def _room(facts: Facts) -> Iterator[Finding]:
    disk, memory = facts.stat["free_disk_bytes"], facts.stat["available_memory_bytes"]
    if disk < LOW_DISK_BYTES:
        full = disk < FULL_DISK_BYTES
        what = f"{'disk full' if full else 'low disk'}: {disk >> 20} MiB free where artifacts are kept"
        hint = f"bitlens device remove {facts.name} drops those of old runs"
        yield Finding(severity="error" if full else "warning", what=what, hint=hint)
    if memory is not None and memory < LOW_MEMORY_BYTES:
        what = f"low memory: {memory >> 20} MiB available"
        yield Finding(severity="warning", what=what, hint="stop the other programs there")


def _load(facts: Facts) -> Iterator[Finding]:
    load, cpus = facts.stat["load_average"], facts.machine["cpus"] or 1
    if facts.settled_s is not None:  # the load average still remembers the start
        if facts.other_cpus is not None and facts.other_cpus > OTHER_CPUS_SUSPECT:
            what = f"still busy {facts.stat['uptime_s']:.0f} s after its start: {facts.other_cpus:.1f} of {cpus} CPUs"
            yield Finding(
                severity="warning", what=what, hint="wait until it has started, or stop the other programs there"
            )
    elif load is not None and load > BUSY_LOAD_FRACTION * cpus:
        yield Finding(
            severity="warning", what=f"busy: load {load:.1f} on {cpus} CPUs", hint="stop the other programs there"
        )


def _lock(facts: Facts) -> Iterator[Finding]:
    if facts.stat["lock_holder"] is not None:
        yield Finding(severity="warning", what=f"being measured now by {facts.stat['lock_holder']}", hint="wait for it")
    if not facts.stat["lockable"]:
        yield Finding(
            severity="error",
            what=f"the measuring lock cannot be used: {facts.stat['lock_problem']}",
            hint="look at it, and remove it as its owner",
        )


def _clock(facts: Facts) -> Iterator[Finding]:
    if abs(facts.clock_ahead_s) > CLOCK_SKEW_S:
        what = f"its clock is {clock_in_words(facts.clock_ahead_s)}; times in records are corrected"
        yield Finding(severity="warning", what=what, hint="sudo timedatectl set-ntp true")


def _virtual(facts: Facts) -> Iterator[Finding]:
    guest, container = facts.machine.get("virtual_machine"), facts.machine.get("container")
    if guest and not KINDS[facts.kind].is_emulated:
        what = f"a virtual machine ({guest}): other load on its host cannot be seen, so its latencies are suspect"
        yield Finding(severity="warning", what=what, hint="a dedicated machine for latencies that you can trust")
    if container:
        yield Finding(severity="ok", what=f"in a container ({container}), whose limits count as the board's own")


def _emulated(facts: Facts) -> Iterator[Finding]:
    kind = KINDS[facts.kind]
    if kind.is_emulated:
        gives = "instructions" if kind.counts_instructions else "predictions and memory"
        yield Finding(severity="ok", what=f"emulated: gives {gives}, never a latency")


RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _system,
    _python,
    _libc,
    _runtimes,
    _governor,
    _power,
    _heat,
    _room,
    _load,
    _lock,
    _clock,
    _virtual,
    _emulated,
)
