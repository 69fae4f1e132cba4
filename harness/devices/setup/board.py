"""Preparing a board over SSH: a private environment with NumPy and a TFLite runtime, in the board's cache folder.

The board needs its Python and nothing more: no pip, no internet, no root. The host fetches the wheels and sends them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device import files
from device.files import MARKER, claim_cache, discard, is_ours
from device.text import printable
from harness.devices.setup import wheels
from harness.devices.setup.survey import require_room, require_suitable
from harness.devices.ssh import SshDevice
from harness.devices.transport.advice import explained
from harness.devices.transport.bootstrap import CACHE, cache_folder, travelling
from harness.devices.transport.environment import (
    ENVIRONMENT,
    environment_fault,
    list_environment,
    listed_environment,
)
from harness.devices.transport.faults import Unreachable
from harness.devices.transport.pipe import Process, open_channel
from harness.devices.transport.replies import cleaned
from harness.errors import DeviceError

PYTHON = "python3"
STEP_SECONDS = 600.0
Say = Callable[[str], None]


def setup(device: SshDevice, *, python: str = PYTHON, say: Say = print) -> dict[str, Any]:
    """Make the environment on the board, or leave it when it is as it should be; "changed" in the answer says which.

    python  the board's interpreter to build on.   Raises DeviceError.
    """
    found = require_suitable(device, python=python)
    facts = describe(device, python=python)
    target = wheels.Target(
        python=tuple(facts["python"]),
        architecture=facts["architecture"],
        glibc=tuple(facts["glibc"]),
        bits=facts["bits"],
    )
    wanted = wheels.requirements(target)
    say(f"{device.name}: {facts['system']}, {facts['architecture']}, Python {'.'.join(map(str, facts['python']))}")
    say(f"  a private environment with {', '.join(wanted)} -> {facts['folder']}/venv")
    if facts["installed"] == list(wanted) and not facts["problem"]:
        say("  there already")
        return {**facts, "requirements": list(wanted), "changed": False}
    if facts["installed"] or facts["problem"]:
        say(f"  made again: {facts['problem'] or 'other packages are there'}")
    require_room(device, found)
    tag = f"cp{target.python[0]}{target.python[1]}-{target.architecture}"
    fetched = wheels.fetch(wanted, target, _host_cache() / "wheels" / tag)
    say(f"  sending {', '.join(file.name for file in fetched)}")
    sent = [_sent(file) for file in fetched]
    made = _ask(device, python, _install, requirements=list(wanted), wheels=sent, modules=wheels.modules(wanted))
    if made["problem"]:
        raise DeviceError(f'device "{device.name}": the environment was made, and does not start: {made["problem"]}')
    say("  done")
    return {**facts, "requirements": list(wanted), "changed": True}


def describe(device: SshDevice, *, python: str = PYTHON) -> dict[str, Any]:
    """What the board's own Python says of the board and of the environment there, before anything is set up."""
    return _ask(device, python, _describe, modules_of=wheels.MODULES)


def is_set_up(device: SshDevice) -> bool:
    """Whether the board has its environment and it starts, or the device's row names an interpreter of its own."""
    if device.python:
        return True
    require_suitable(device, python=PYTHON)
    facts = describe(device)
    return bool(facts["installed"]) and not facts["problem"]


def remove(device: SshDevice, *, python: str = PYTHON, say: Say = print) -> None:
    """Undo `setup`, and drop what agents have kept there. Raises DeviceError where it is not ours."""
    folder = _ask(device, python, _remove)["removed"]
    say(f"{device.name}: removed {folder}" if folder else f"{device.name}: nothing to remove")


def _host_cache() -> Path:
    """Where this host keeps the wheels that it has fetched, for whichever board."""
    try:
        return Path(files.claim_cache(cache_folder(CACHE), adopt=True))
    except OSError as error:
        raise DeviceError(f"this host's cache: {error}") from error


def _sent(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"name": file.name, "content": content, "sha256": hashlib.sha256(content).hexdigest()}


def _ask(device: SshDevice, python: str, function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Let the board's own Python execute one of the functions below."""
    script = travelling(cache_folder, *ENVIRONMENT, _problem_of, function)
    place = f"cache_folder({device.cache!r}), adopt={device.cache == CACHE!r}"
    script += f"\nchannel.send({function.__name__}({place}, **channel.receive()))"
    with open_channel(device.connection(python=python), script) as (process, channel):
        return _answer(device, process, channel, arguments)


def _answer(device: SshDevice, process: Process, channel: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        channel.send(arguments)
        answer: dict[str, Any] = cleaned(channel.receive(timeout=STEP_SECONDS))
    except channel.RemoteError as error:
        lines = printable(str(error)).strip().splitlines()
        meaning, hint = explained(lines[-1], or_hint=f"bitlens doctor {device.name}")
        raise DeviceError(f'device "{device.name}": {meaning}{lines[-1]}', hint=hint) from error
    except (OSError, EOFError, channel.TimeoutError) as error:
        seconds = time.monotonic() - started
        raise Unreachable(f'device "{device.name}": lost after {seconds:.0f} s: {process.exit_report()}') from error
    return answer


# ----------------------------------------------------------------------------------- executed on the board, from source
def _describe(folder: str, *, adopt: bool, modules_of: dict[str, str]) -> dict[str, Any]:
    import os
    import platform
    import struct
    import sys

    if os.path.lexists(folder):
        folder = claim_cache(folder, adopt=adopt)  # whose environment we would start
    venv = os.path.join(folder, "venv")
    installed = listed_environment(venv).get("requirements", [])
    modules = [module for name, module in modules_of.items() if any(line.startswith(name) for line in installed)]
    libc = platform.libc_ver()[1] or "0.0"
    return {
        "folder": folder,
        "installed": installed,
        "problem": environment_fault(venv) or (_problem_of(venv, modules) if installed else ""),
        "system": platform.platform(),
        "architecture": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "python": list(sys.version_info[:2]),
        "glibc": [int(number) for number in libc.split(".")[:2]],
    }


def _problem_of(venv: str, modules: list[str]) -> str:
    """Why the environment's interpreter cannot import these modules; empty where it can."""
    import os
    import subprocess

    command = [os.path.join(venv, "bin", "python"), "-c", f"import {', '.join(modules)}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    words = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    return words[-1] if done.returncode else ""


def _install(
    folder: str, *, adopt: bool, requirements: list[str], wheels: list[dict[str, Any]], modules: list[str]
) -> dict[str, Any]:
    import fcntl
    import glob
    import hashlib
    import io
    import os
    import subprocess
    import sys
    import zipfile

    folder = claim_cache(folder, adopt=adopt)
    venv = os.path.join(folder, "venv")
    lock = os.open(os.path.join(folder, "setup-lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends; another one may have made it meanwhile
    there = listed_environment(venv).get("requirements") == requirements
    if there and not environment_fault(venv) and not _problem_of(venv, modules):
        return {"problem": ""}
    discard(venv)
    # An environment's scripts hold its path, so it is made in its place; its last files say that it is whole.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, capture_output=True)
    site = glob.glob(os.path.join(venv, "lib", "python*", "site-packages"))[0]
    for wheel in wheels:
        if hashlib.sha256(wheel["content"]).hexdigest() != wheel["sha256"]:
            raise OSError(f"{wheel['name']} was altered on its way here")
        zipfile.ZipFile(io.BytesIO(wheel["content"])).extractall(site)
    problem = _problem_of(venv, modules)
    if not problem:
        list_environment(venv, requirements)
    return {"problem": problem}


def _remove(folder: str, *, adopt: bool) -> dict[str, Any]:
    import os

    ours = [os.path.join(folder, name) for name in ("venv", "agent", "artifacts", "setup-lock")]
    there = [path for path in ours if os.path.lexists(path)]
    if there:
        folder = claim_cache(folder, adopt=adopt)
        for path in there:
            discard(path)
    if is_ours(folder) and os.listdir(folder) == [MARKER]:
        discard(folder)
    return {"removed": ", ".join(there)}
