"""Preparing a board over SSH: a private environment with NumPy and a TFLite runtime, in the board's cache folder.

The board needs its Python and nothing more: no pip, no internet, no root. The host fetches the wheels and sends them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.devices.setup import wheels
from harness.devices.ssh import SshDevice
from harness.devices.transport.bootstrap import cache_folder, travelling
from harness.devices.transport.faults import Unreachable
from harness.devices.transport.pipe import Process, open_channel
from harness.errors import DeviceError

PYTHON = "python3"
STEP_SECONDS = 600.0
Say = Callable[[str], None]


def setup(device: SshDevice, *, python: str = PYTHON, say: Say = print) -> dict[str, Any]:
    """Make the environment on the board, or leave it when it is as it should be; "changed" in the answer says which.

    python  the board's interpreter to build on.   Raises DeviceError.
    """
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
    if facts["installed"] == list(wanted):
        say("  there already")
        return {**facts, "requirements": list(wanted), "changed": False}
    tag = f"cp{target.python[0]}{target.python[1]}-{target.architecture}"
    files = wheels.fetch(wanted, target, Path(cache_folder(device.cache)) / "wheels" / tag)
    say(f"  sending {', '.join(file.name for file in files)}")
    _ask(device, python, _install, requirements=list(wanted), wheels=[_sent(file) for file in files])
    say("  done")
    return {**facts, "requirements": list(wanted), "changed": True}


def describe(device: SshDevice, *, python: str = PYTHON) -> dict[str, Any]:
    """What the board's own Python says of the board, before anything is set up."""
    return _ask(device, python, _describe)


def is_set_up(device: SshDevice) -> bool:
    """Whether the board has its environment, or the device's row names an interpreter of its own."""
    return bool(device.python or describe(device)["installed"])


def remove(device: SshDevice, *, python: str = PYTHON, say: Say = print) -> None:
    """Undo `setup`, and drop the artifacts and agents that the board keeps."""
    folder = _ask(device, python, _remove)["removed"]
    say(f"{device.name}: removed {folder}" if folder else f"{device.name}: nothing to remove")


def _sent(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return {"name": file.name, "content": content, "sha256": hashlib.sha256(content).hexdigest()}


def _ask(device: SshDevice, python: str, function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    """Let the board's own Python execute one of the functions below."""
    script = travelling(cache_folder, function)
    script += f"\nchannel.send({function.__name__}(cache_folder({device.cache!r}), **channel.receive()))"
    with open_channel(device.connection(python=python), script) as (process, channel):
        return _answer(device, process, channel, arguments)


def _answer(device: SshDevice, process: Process, channel: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        channel.send(arguments)
        answer: dict[str, Any] = channel.receive(timeout=STEP_SECONDS)
    except channel.RemoteError as error:
        lines = str(error).strip().splitlines()
        raise DeviceError(f'device "{device.name}": {lines[-1]}', hint="bitlens doctor " + device.name) from error
    except (OSError, EOFError, channel.TimeoutError) as error:
        seconds = time.monotonic() - started
        raise Unreachable(f'device "{device.name}": lost after {seconds:.0f} s: {process.exit_report()}') from error
    return answer


# ----------------------------------------------------------------------------------- executed on the board, from source
def _describe(folder: str) -> dict[str, Any]:
    import os
    import platform
    import struct
    import sys

    try:
        with open(os.path.join(folder, "venv", "bitlens-requirements")) as file:
            installed = file.read().split()
    except OSError:
        installed = []
    libc = platform.libc_ver()[1] or "0.0"
    return {
        "folder": folder,
        "installed": installed,
        "system": platform.platform(),
        "architecture": platform.machine(),
        "bits": struct.calcsize("P") * 8,
        "python": list(sys.version_info[:2]),
        "glibc": [int(number) for number in libc.split(".")[:2]],
    }


def _install(folder: str, requirements: list[str], wheels: list[dict[str, Any]]) -> dict[str, Any]:
    import glob
    import hashlib
    import io
    import os
    import shutil
    import subprocess
    import sys
    import zipfile

    os.makedirs(folder, exist_ok=True)
    venv = os.path.join(folder, "venv")
    shutil.rmtree(venv, ignore_errors=True)
    # An environment's scripts hold its path, so it is made in its place; the last file says that it is whole.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True, capture_output=True)
    site = glob.glob(os.path.join(venv, "lib", "python*", "site-packages"))[0]
    for wheel in wheels:
        if hashlib.sha256(wheel["content"]).hexdigest() != wheel["sha256"]:
            raise OSError(f"{wheel['name']} was altered on its way here")
        zipfile.ZipFile(io.BytesIO(wheel["content"])).extractall(site)
    with open(os.path.join(venv, "bitlens-requirements"), "w") as file:
        file.write("\n".join(requirements))
    return {"venv": venv}


def _remove(folder: str) -> dict[str, Any]:
    import os
    import shutil

    ours = [os.path.join(folder, name) for name in ("venv", "agent", "artifacts")]
    there = [path for path in ours if os.path.isdir(path)]
    for path in there:
        shutil.rmtree(path)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)
    return {"removed": ", ".join(there)}
