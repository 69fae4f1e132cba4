"""The private environment on a board, verified by content before any of it is used, as agent and artifacts are.

A power cut or a worn card leaves files that are empty, cut off or full of zeros. They are all hashed once after each
start of the board, which is when such files appear; later jobs compare sizes, which takes milliseconds.

The functions are executed on the board, from source: bootstrap.travelling says what they may use.
"""

from __future__ import annotations

from typing import Any

from device.files import hash_of, write_whole


def list_environment(venv: str, requirements: list[str]) -> None:
    """Put all that the environment holds on the disk, and then, as its last files, the list of it and its requirements.

    A file is listed with its size and SHA-256, a link with where it leads.
    """
    import json
    import os
    import sys

    os.sync()  # thousands of files: all of them are on the disk before the one that says so
    files: dict[str, list[Any]] = {}
    for folder, folders, names in os.walk(venv):
        for name in names + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                entry: list[Any] = [None, os.readlink(path)]
            else:
                with open(path, "rb") as file:
                    entry = [os.path.getsize(path), hash_of(file)]
            files[os.path.relpath(path, venv)] = entry
    listed = {"python": sys.executable, "requirements": requirements, "files": files}
    write_whole(os.path.join(venv, "bitlens-contents"), json.dumps(listed).encode())
    write_whole(os.path.join(venv, "bitlens-requirements"), "\n".join(requirements).encode())


def listed_environment(venv: str) -> dict[str, Any]:
    """{"python", "requirements", "files"} as `list_environment` left it; empty where it is damaged or missing."""
    import json
    import os

    try:
        with open(os.path.join(venv, "bitlens-contents"), "rb") as file:
            listed: dict[str, Any] = json.loads(file.read())
        with open(os.path.join(venv, "bitlens-requirements")) as file:
            whole = file.read().split("\n") == listed["requirements"]
        return listed if whole and listed["files"] and listed["python"] else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def environment_fault(venv: str) -> str:
    """What of the environment is not as it was made; empty where all is, and where there is no environment.

    Bytecode is no fault: what is not as it was listed is removed, and Python makes it again.
    """
    import hashlib
    import os

    if not os.path.lexists(venv):
        return ""
    listed = listed_environment(venv)
    if not listed:
        return "it was never finished, or an earlier version made it"
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            start = file.read() + hashlib.sha256(repr(listed).encode()).hexdigest()
    except OSError:
        start = ""  # a system that does not say when it was started: everything is hashed each time
    note = os.path.join(venv, "bitlens-checked")
    try:
        with open(note) as file:
            by_content = not start or file.read() != start
    except (OSError, ValueError):
        by_content = True
    for name, (size, sha256) in listed["files"].items():
        path = os.path.join(venv, name)
        if not _is_as_listed(path, size, sha256, by_content) and not name.endswith(".pyc"):
            return f"{name} is not as it was made"
    if by_content:
        _remove_other_bytecode(venv, listed["files"])
        with open(note, "w") as file:
            file.write(start)
    return ""


def _is_as_listed(path: str, size: Any, sha256: str, by_content: bool) -> bool:
    """Whether the file has this size and, where asked for, this SHA-256; a link, where it leads."""
    import os
    import stat

    try:
        status = os.lstat(path)
        if size is None:
            return os.readlink(path) == sha256
        if not stat.S_ISREG(status.st_mode) or status.st_size != size:
            return False
        if not by_content:
            return True
        with open(path, "rb") as file:
            return hash_of(file) == sha256
    except OSError:
        return False


def _remove_other_bytecode(venv: str, listed: dict[str, list[Any]]) -> None:
    """Python writes it without waiting for the disk, and one that is cut off would stop an import."""
    import os

    for folder, _, names in os.walk(venv):
        for name in names:
            path = os.path.join(folder, name)
            entry = listed.get(os.path.relpath(path, venv))
            if name.endswith(".pyc") and not (entry and _is_as_listed(path, entry[0], entry[1], True)):
                os.remove(path)


ENVIRONMENT = (list_environment, listed_environment, environment_fault, _is_as_listed, _remove_other_bytecode)
