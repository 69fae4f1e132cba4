"""A machine of any sort for `make setup`: a checkout, and a PATH with nothing on it but what a test puts there."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "cat", "chmod", "cksum", "cp", "dirname", "ln", "mkdir", "mv", "rm")

# Answers as the interpreter of a version and kind: to what setup/ asks with -c, to `--version`, and as pip.
INTERPRETER = """#!/bin/sh
case "$1 $2" in
    "-c "*base_prefix*) echo "{version} {home}" ;;
    "-c "*libstdc*) [ -z "${{NO_LIBRARY:-}}" ] ;;
    "-c "*) echo "{version} {kind} $0" ;;
    --version*) echo "Python {version}.0" ;;
    "-m pip") {pip}
        [ "$3" = --version ] && exit
        echo "pip of {path}: $*" >>"$CALLS"
        [ -z "${{OFFLINE:-}}" ] || {{ echo "no network" >&2; exit 1; }}
        for folder; do :; done
        eval "folder=\\${{$(($# - 1))}}"
        mkdir -p "$folder/bin" && cp "$FAKE_UV" "$folder/bin/uv" ;;
esac
"""
SHIM = """#!/bin/sh
echo "pyenv: $0: command not found" >&2
exit 127
"""
# Makes and fills environments as far as `setup/environment.sh` looks at them.
UV = """#!/bin/sh
echo "uv $*" >>"$CALLS"
if [ "$1 $2" = "${KILLED_AT:-}" ]; then kill -9 $PPID; fi
if [ "$1 $2" = "${FAILS_AT:-}" ]; then echo "no network" >&2; exit 1; fi
case "$1 $2" in
    "venv --quiet") mkdir -p "$5/bin" && ln -s "$4" "$5/bin/python" ;;
    "python install") mkdir -p "$UV_PYTHON_INSTALL_DIR" && cp "$FETCHED" "$UV_PYTHON_INSTALL_DIR/python3.13" ;;
    "python find") echo "$UV_PYTHON_INSTALL_DIR/python3.13" ;;
esac
"""


class Machine:
    """A checkout with the setup scripts, and a PATH with nothing but a few tools and what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.calls, self.checkout = folder / "bin", folder / "calls", folder / "checkout"
        self.bin.mkdir()
        self.calls.touch()
        for tool in TOOLS:
            path = shutil.which(tool)
            assert path is not None, tool
            (self.bin / tool).symlink_to(path)
        shutil.copytree(ROOT / "setup", self.checkout / "setup")
        shutil.copy(ROOT / "Makefile", self.checkout)
        (self.checkout / "requirements.lock").write_text("numpy==1.26.4\n")
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        self.environment = {
            "PATH": str(self.bin),
            "CALLS": str(self.calls),
            "FAKE_UV": str(self.write(folder / "uv", UV)),
            "FETCHED": str(self.interpreter("fetched", "3.13", folder=folder)),
        }

    def interpreter(
        self, name: str, version: str, *, kind: str = "cpython64", pip: bool = True, folder: Path | None = None
    ) -> Path:
        path = (folder or self.bin) / name
        without = "" if pip else 'echo "No module named pip" >&2; exit 1'
        return self.write(
            path, INTERPRETER.format(version=version, kind=kind, path=path, home=path.parent / version, pip=without)
        )

    def shim(self, name: str, *, folder: Path | None = None) -> Path:
        return self.write((folder or self.bin) / name, SHIM)

    def write(self, path: Path, script: str) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.checkout,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def chosen(self, asked: str = "") -> str:
        done = self.run("sh", "setup/python.sh", asked)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def setup(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return self.run("make", "setup", *arguments, **environment)

    def made(self, *arguments: str) -> str:
        """Runs `make setup`, which must succeed. Returns what it called; "" when there was nothing to do."""
        done = self.setup(*arguments)
        assert done.returncode == 0, done.stderr
        return self.calls.read_text()

    def python_of_environment(self) -> Path:
        return (self.checkout / ".venv/bin/python").readlink()
