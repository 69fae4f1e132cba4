"""`make setup` on machines of every sort: fake interpreters on a PATH, and a pip and a uv that note their calls."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "cat", "chmod", "cksum", "cp", "dirname", "kill", "ln", "mkdir", "mv", "rm")

# Answers as the interpreter of a version and kind: to what setup/ asks with -c, to `--version`, and as pip.
INTERPRETER = """#!/bin/sh
case "$1 $2" in
    "-c "*base_prefix*) echo "{version} {home}" ;;
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


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_newest_supported_python_is_chosen(machine: Machine) -> None:
    for version in ("3.11", "3.12", "3.13"):
        machine.interpreter(f"python{version}", version)
    assert machine.chosen() == str(machine.bin / "python3.13")


def test_a_name_that_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.shim("python3.13")
    machine.interpreter("python3.12", "3.12")
    assert machine.chosen() == str(machine.bin / "python3.12")


def test_the_same_name_later_on_the_path_is_found_behind_a_shim(machine: Machine, tmp_path: Path) -> None:
    shims = tmp_path / "shims of pyenv"
    machine.shim("python3.13", folder=shims)
    real = machine.interpreter("python3.13", "3.13")
    machine.environment["PATH"] = os.pathsep.join([str(shims), str(machine.bin)])
    assert machine.chosen() == str(real)


def test_python3_counts_by_the_version_that_it_says(machine: Machine) -> None:
    machine.interpreter("python3.11", "3.11")
    machine.interpreter("python3", "3.13")
    assert machine.chosen() == str(machine.bin / "python3")


@pytest.mark.parametrize(
    ("version", "kind"),
    [("3.10", "cpython64"), ("3.14", "cpython64"), ("3.13", "cpython64t"), ("3.13", "cpython32"), ("3.11", "pypy64")],
)
def test_a_python_that_the_locked_packages_do_not_fit_is_no_choice(machine: Machine, version: str, kind: str) -> None:
    machine.interpreter("python3", version, kind=kind)
    assert machine.chosen() == ""
    done = machine.run("sh", "setup/python.sh", "python3")
    assert done.returncode == 1
    assert f"PYTHON=python3 is Python {version} ({kind}); bitlens runs on CPython 3.11, 3.12 and 3.13" in done.stderr


def test_a_python_that_was_asked_for_comes_before_the_newest(machine: Machine) -> None:
    machine.interpreter("python3.13", "3.13")
    older = machine.interpreter("python3.11", "3.11")
    machine.made("PYTHON=python3.11")
    assert machine.python_of_environment() == older


@pytest.mark.parametrize("asked", ["python3.13", "/no/such/python"])
def test_a_python_that_does_not_start_is_refused_in_a_sentence(machine: Machine, asked: str) -> None:
    machine.shim("python3.13")
    machine.interpreter("python3.12", "3.12")
    done = machine.setup(f"PYTHON={asked}")
    assert done.returncode != 0
    assert f"make setup: PYTHON={asked} does not start as a Python; bitlens runs on CPython 3.11" in done.stderr
    assert machine.calls.read_text() == ""


def test_where_no_supported_python_is_uv_fetches_one(machine: Machine) -> None:
    machine.interpreter("python3", "3.9")
    calls = machine.made()
    assert calls.index(f"pip of {machine.bin / 'python3'}") < calls.index("uv python install --quiet 3.13")
    assert machine.python_of_environment() == machine.checkout / ".uv/python/python3.13"


def test_where_a_supported_python_is_nothing_fetches_one(machine: Machine) -> None:
    machine.interpreter("python3", "3.12")
    assert "uv python" not in machine.made()


def test_uv_of_the_system_serves_where_no_pip_is(machine: Machine) -> None:
    machine.write(machine.bin / "uv", UV)
    machine.interpreter("python3", "3.12", pip=False)
    assert "pip of" not in machine.made()


def test_pip_of_another_python_serves_where_the_chosen_one_has_none(machine: Machine) -> None:
    chosen = machine.interpreter("python3.13", "3.13", pip=False)
    machine.interpreter("python3", "3.9")
    assert f"pip of {machine.bin / 'python3'}" in machine.made()
    assert machine.python_of_environment() == chosen


def test_an_environment_is_filled_from_the_lock_by_hash(machine: Machine) -> None:
    machine.interpreter("python3", "3.13")
    (packages,) = [line for line in machine.made().splitlines() if "-r requirements.lock" in line]
    assert "--require-hashes" in packages
    assert "--build-constraints requirements.lock" in packages


def test_second_setup_does_nothing(machine: Machine) -> None:
    machine.interpreter("python3", "3.13")
    assert machine.made() != ""
    assert machine.made() == ""


def test_another_python_makes_another_environment_which_stays(machine: Machine) -> None:
    for version in ("3.12", "3.13"):
        machine.interpreter(f"python{version}", version)
    machine.made()
    assert machine.made("PYTHON=python3.12") != ""
    assert machine.made() == ""
    assert machine.python_of_environment() == machine.bin / "python3.12"


def test_an_environment_whose_python_became_another_is_made_again(machine: Machine) -> None:
    machine.interpreter("python3", "3.11")
    machine.made()
    machine.interpreter("python3", "3.13")  # as after an upgrade of the system
    assert "uv venv" in machine.made()


def test_an_environment_whose_python_is_gone_is_made_again(machine: Machine) -> None:
    machine.interpreter("python3", "3.12")
    gone = machine.interpreter("python3.13", "3.13")
    machine.made()
    gone.unlink()
    machine.made()
    assert machine.python_of_environment() == machine.bin / "python3"


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "setup/environment.sh"])
def test_an_environment_is_made_again_when_what_it_is_made_of_changed(machine: Machine, name: str) -> None:
    machine.interpreter("python3", "3.13")
    machine.made()
    with (machine.checkout / name).open("a") as file:
        file.write("# changed\n")
    assert "uv venv" in machine.made()


def test_a_checkout_that_was_moved_gets_a_new_environment(machine: Machine, tmp_path: Path) -> None:
    machine.interpreter("python3", "3.13")
    machine.made()
    machine.checkout = machine.checkout.rename(tmp_path / "elsewhere")
    assert "uv venv" in machine.made()


@pytest.mark.parametrize("moment", ["venv --quiet", "pip install"])
def test_a_setup_that_was_killed_is_done_by_the_next(machine: Machine, moment: str) -> None:
    machine.interpreter("python3", "3.13")
    assert machine.setup(KILLED_AT=moment).returncode != 0
    assert "uv venv" in machine.made()
    assert machine.made() == ""


def test_no_network_is_said_and_the_next_setup_goes_on(machine: Machine) -> None:
    machine.interpreter("python3", "3.13")
    without_uv = machine.setup(OFFLINE="1")
    assert without_uv.returncode != 0
    assert "make setup: pip could not fetch uv (its words are above)\n  try: make setup again" in without_uv.stderr
    without_packages = machine.setup(FAILS_AT="pip install")
    assert without_packages.returncode != 0
    assert "make setup: the packages could not be installed (uv's words are above)\n  try: " in without_packages.stderr
    assert machine.made() != ""


def test_python_out_of_reach_is_said_with_what_to_install(machine: Machine) -> None:
    machine.interpreter("python3", "3.9")
    done = machine.setup(FAILS_AT="python install")
    assert done.returncode != 0
    assert (
        "make setup: uv could not fetch Python 3.13 (its words are above)\n  try: apt install python3 (D" in done.stderr
    )


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (
            "3.13",
            "python3 has no pip, which fetches the packages\n  try: apt install python3-pip (Debian, Ubuntu), dnf",
        ),
        ("3.9", "no Python 3.11, 3.12 or 3.13 starts here, and no pip to fetch one with\n  try: apt install python3 "),
    ],
)
def test_a_missing_pip_is_said_with_what_to_install(machine: Machine, version: str, said: str) -> None:
    machine.interpreter("python3", version, pip=False)
    done = machine.setup()
    assert done.returncode != 0
    assert said in done.stderr
    assert "Fedora" in done.stderr
    assert "brew install python@3.13 (macOS)" in done.stderr
    assert "uv" not in machine.calls.read_text()
