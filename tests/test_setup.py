"""`make setup` on machines of every sort: fake interpreters on a PATH, and a pip and a uv that note their calls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fake_machine import UV, Machine


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
    assert calls.index(f"pip of {machine.bin / 'python3'}") < calls.index("uv python install 3.13")
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


def test_a_missing_library_is_said_with_what_to_install_before_anything_is_fetched(machine: Machine) -> None:
    machine.interpreter("python3", "3.12")
    done = machine.setup(NO_LIBRARY="1")
    assert done.returncode != 0
    assert (
        "make setup: libstdc++.so.6 is missing, which the packages need\n  try: apt install libstdc++6 (D"
        in done.stderr
    )
    assert "pip install -" not in machine.calls.read_text()
    assert machine.made() != ""
