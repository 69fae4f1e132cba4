"""Whether a board can be set up at all, asked before anything is: one question to its Python, whichever that is.

The question is a few lines that every Python since 2.7 understands, so that a board that is reachable but wrong is told
what is wrong with it, and not what its interpreter made of our source.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from harness.devices.setup.wheels import NEWEST, OLDEST, SUPPORTED_PYTHONS
from harness.devices.ssh import SshDevice
from harness.devices.transport.bootstrap import CACHE
from harness.devices.transport.replies import cleaned
from harness.errors import DeviceError

SECONDS = 120
FULL_BYTES = 16 << 20  # with less than this nothing can be kept there at all
NEEDED_BYTES = 300 << 20  # for the environment, while it is being unpacked
ARCHITECTURES = ("aarch64", "x86_64")
_MARK = "bitlens-survey "
_FORM: dict[str, Any] = {
    "python": list, "executable": (str, type(None)), "others": list, "has_venv": bool, "is_snap": bool, "bits": int,
    "machine": str, "system": (str, type(None)), "musl": bool, "folder": str, "place": str, "write_problem": str,
    "free_bytes": int, "is_noexec": bool,
}  # fmt: skip
Fault = tuple[str, str]  # (what is wrong, what to do about it)


def require_suitable(device: SshDevice, *, python: str) -> dict[str, Any]:
    """What the board says of itself; empty where it says nothing, which a connection in earnest will explain.

    Raises DeviceError with what is wrong with it, and what to do.
    """
    facts = survey(device, python=python)
    fault = next(faults(facts, name=device.name, python=python), None) if facts else None
    if fault is not None:
        raise DeviceError(f'device "{device.name}": {fault[0]}', hint=fault[1])
    return facts


def require_room(device: SshDevice, facts: dict[str, Any]) -> None:
    """Raises DeviceError where the environment does not fit."""
    free = facts.get("free_bytes")
    if free is not None and free < NEEDED_BYTES:
        raise DeviceError(f'device "{device.name}": {_full(facts)}', hint=_room_hint(facts))


def survey(device: SshDevice, *, python: str) -> dict[str, Any]:
    """The board's answer; empty where none came."""
    script = f"CACHE = {device.cache!r}\nDEFAULT = {CACHE!r}\nMARK = {_MARK!r}\n{_SCRIPT}"
    command = device.connection(python=python).command
    try:
        question = f"{script!r}\n".encode()
        done = subprocess.run(command, input=question, capture_output=True, timeout=SECONDS, check=False)
        lines = [line for line in done.stdout.decode(errors="replace").splitlines() if line.startswith(_MARK)]
        facts = json.loads(lines[0][len(_MARK) :]) if lines else {}
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return cleaned(facts) if _is_answer(facts) else {}


def _is_answer(facts: Any) -> bool:
    """Whether this has the form of an answer of ours: a board may say anything."""
    if not isinstance(facts, dict) or not all(isinstance(facts.get(name), form) for name, form in _FORM.items()):
        return False
    return len(facts["python"]) == 2 and all(type(number) is int for number in facts["python"])


def faults(facts: dict[str, Any], *, name: str, python: str) -> Iterator[Fault]:
    """All that keeps a board from being set up, the worst first."""
    bits, machine, system = facts["bits"], facts["machine"], facts["system"] or "an unknown system"
    version = tuple(facts["python"])
    again = f"bitlens device setup {name} --python"
    if bits != 64:
        processor = f", on a 64-bit processor ({machine})" if machine in ARCHITECTURES else f" ({machine})"
        yield (
            f"{system} is a 32-bit system{processor}, for which there is no TFLite runtime",
            "the 64-bit Raspberry Pi OS, on a Raspberry Pi 3, 4, 5 or Zero 2",
        )
    elif machine not in ARCHITECTURES:
        yield f"there is no TFLite runtime for a {machine} processor", f"a board with {' or '.join(ARCHITECTURES)}"
    if facts["musl"]:
        yield (
            f"{system} has the C library musl, and the runtimes need glibc",
            "Raspberry Pi OS, Debian or Ubuntu, 64 bit",
        )
    if facts["is_snap"]:
        yield (
            f"its Python ({facts['executable']}) is a Snap, which may neither read nor write hidden folders",
            f"{again} {_other(facts, '/usr/bin/python3')}",
        )
    if not OLDEST <= version <= NEWEST:
        found = ".".join(map(str, version))
        yield f"its {python} is Python {found}: expected {SUPPORTED_PYTHONS}", f"{again} {_other(facts, 'ANOTHER')}"
    elif not facts["has_venv"]:
        yield f"its Python ({facts['executable']}) has no module venv", "sudo apt-get install python3-venv, there"
    if facts["write_problem"]:
        yield (
            f"nothing can be written to {facts['place']}, for {facts['folder']}: {facts['write_problem']}",
            'cache = "/a/folder/that/can/be/written" in its row, or repair the file system: a worn card becomes '
            "read-only",
        )
    elif facts["is_noexec"]:
        yield (
            f"{facts['place']}, for {facts['folder']}, is mounted noexec, so that no library can be loaded from there",
            'cache = "/a/folder/elsewhere" in its row',
        )
    if facts["free_bytes"] < FULL_BYTES:
        yield _full(facts), _room_hint(facts)


def _full(facts: dict[str, Any]) -> str:
    return f"disk full: {facts['free_bytes'] >> 20} MiB free for {facts['folder']}, and {NEEDED_BYTES >> 20} are needed"


def _room_hint(facts: dict[str, Any]) -> str:
    return f"make room there (df -h {facts['place']}), or a cache elsewhere in its row"


def _other(facts: dict[str, Any], otherwise: str) -> str:
    """Another interpreter of the board that would do."""
    return str(facts["others"][0]) if facts["others"] else otherwise


# Executed on the board by `exec`, with three names set before. Nothing newer than Python 2.7.
_SCRIPT = r"""
import glob, json, os, platform, struct, sys
folder = os.path.expanduser(CACHE)
if CACHE == DEFAULT and os.environ.get("XDG_CACHE_HOME"):
    folder = os.path.join(os.environ["XDG_CACHE_HOME"], "bitlens")
place = os.path.realpath(folder)
while not os.path.isdir(place):
    place = os.path.dirname(place)
disk = os.statvfs(place)
problem, attempt = "", os.path.join(place, ".bitlens-%d" % os.getpid())
try:
    os.mkdir(attempt)
    os.rmdir(attempt)
except OSError as error:
    problem = error.strerror
try:
    import venv
    has_venv = True
except ImportError:
    has_venv = False
system = None
try:
    with open("/etc/os-release") as file:
        for line in file:
            if line.startswith("PRETTY_NAME="):
                system = line.split("=", 1)[1].strip().strip('"')
except (IOError, OSError):
    pass
glibc = platform.libc_ver()[0] == "glibc"
others = []
for minor in range(14, 8, -1):
    for where in ("/usr/bin", "/usr/local/bin"):
        path = "%s/python3.%d" % (where, minor)
        if os.access(path, os.X_OK) and os.path.realpath(path) != os.path.realpath(sys.executable or ""):
            others.append(path)
print(MARK + json.dumps({
    "python": list(sys.version_info[:2]), "executable": sys.executable, "others": others, "has_venv": has_venv,
    "is_snap": os.path.realpath(sys.executable or "").startswith("/snap/"),
    "bits": struct.calcsize("P") * 8, "machine": platform.machine(), "system": system,
    "musl": not glibc and bool(glob.glob("/lib/ld-musl-*")),
    "folder": folder, "place": place, "write_problem": problem, "free_bytes": disk.f_bavail * disk.f_frsize,
    "is_noexec": bool(getattr(disk, "f_flag", 0) & 8),
}))
"""
