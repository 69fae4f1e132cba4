"""The demo as a stranger runs it: from the installed wheel, twice, and killed ten times on the way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.store import Store, StoredUnit
from tests.reports.recorded_results import recorded_units
from tests.same_store import assert_same_store

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def bitlens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that has the wheel; its dependencies are borrowed from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=600)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    python = environment / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--python",
        str(python),
        str(wheel),
    ]
    subprocess.run(install, check=True, timeout=120)
    (own_packages,) = environment.glob("lib/python*/site-packages")
    # a .pth file found through a .pth file is not read, so the checkout's editable install stays out of sight
    (own_packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return environment / "bin" / "bitlens"


@pytest.fixture(scope="module")
def undisturbed(bitlens: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a demo that nobody disturbed, and the seconds it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    done = demo(bitlens, folder)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "demo", time.monotonic() - began


def demo(bitlens: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([bitlens, "demo"], cwd=folder, capture_output=True, text=True, timeout=900, check=False)


def test_installed_wheel_is_what_runs(bitlens: Path, tmp_path: Path) -> None:
    code = "import harness, converters, device, reports; print(harness.__file__, converters.__file__, reports.__file__)"
    python = bitlens.parent / "python"
    places = subprocess.run(
        [python, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.split()
    assert all(place.startswith(str(bitlens.parents[1])) for place in places), places


def test_demo_of_the_installed_wheel_leaves_every_unit_done_and_a_report(undisturbed: tuple[Path, float]) -> None:
    folder, _ = undisturbed
    with Store(folder) as store:
        assert {unit.status for unit in store.planned_units()} == {"done"}
    assert (folder / "comparison.csv").stat().st_size > 1000
    assert "</html>" in (folder / "report.html").read_text(encoding="utf-8")


def test_second_demo_does_no_work_again(bitlens: Path, undisturbed: tuple[Path, float]) -> None:
    done = demo(bitlens, undisturbed[0].parents[1])
    assert done.returncode == 0
    assert " 0 to do" in done.stderr


def test_command_on_the_page_does_no_work_again_from_any_folder(
    bitlens: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    with Store(undisturbed[0]) as store:
        command = str(store.meta("command"))
    path = os.pathsep.join([str(bitlens.parent), os.environ["PATH"]])
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert " 0 to do" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_records_that_report_tests_take_from_a_recorded_run_have_the_fields_of_today(
    undisturbed: tuple[Path, float],
) -> None:
    """Otherwise record it again: tests/recorded/README.md."""
    with Store(undisturbed[0]) as store:
        written = fields_of(store.planned_units())
    kinds = {kind for kind, *_ in written}
    assert written <= fields_of(unit for unit in recorded_units() if unit.kind in kinds)


def fields_of(units: Iterable[StoredUnit]) -> set[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Kind and fields of the spec and of the result of every unit."""
    return {(unit.kind, tuple(sorted(unit.spec)), tuple(sorted(unit.result))) for unit in units}


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_demo_killed_at_random_moments_ends_like_an_undisturbed_one(
    bitlens: Path, undisturbed: tuple[Path, float], tmp_path: Path, kills: int
) -> None:
    whole, seconds = undisturbed
    moments = random.Random(0)
    command = [str(bitlens), "demo"]
    for _ in range(kills):
        while not kill_after(moments.uniform(0.5, seconds / 4), command, cwd=tmp_path):
            shutil.rmtree(tmp_path / "runs")  # it ended before it could be killed: from the start again
    done = demo(bitlens, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_store(whole, tmp_path / "runs" / "demo")


def kill_after(seconds: float, command: list[str], *, cwd: Path) -> bool:
    """Start the command and `kill -9` it and all that it started. False if it ended by itself before."""
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False
