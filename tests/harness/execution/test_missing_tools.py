"""A machine that cannot build our operators: a run says so once and what it costs, and so does its report."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from device.lce_ops import build as lce_build
from harness.execution import coordinator, missing_tools
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment
from harness.native import build
from harness.store import Store
from reports.write import write_report
from tests.harness.small_experiment import TWINS_EXPERIMENT


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither g++ nor ziglang, and nothing that was built before."""
    monkeypatch.setattr(lce_build, "find_compiler", lambda: None)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(build, "PREBUILT", tmp_path / "prebuilt")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def experiment(tmp_path: Path, text: str = TWINS_EXPERIMENT) -> Experiment:
    (tmp_path / "e.toml").write_text(text)
    return read_experiment(tmp_path / "e.toml")


@pytest.mark.usefixtures("no_compiler")
def test_what_is_missing_what_it_costs_and_what_to_install_is_one_sentence(tmp_path: Path) -> None:
    (said,) = missing_tools.sentences(experiment(tmp_path))
    assert said.startswith(f"no C++ compiler for {build.host_target()} is installed, ")
    assert "many times slower" in said
    assert said.endswith("to have ours: apt install g++, or pip install ziglang")


@pytest.mark.usefixtures("no_compiler")
def test_emulated_boards_need_a_compiler_for_arm(tmp_path: Path) -> None:
    device = '[[device]]\nname = "a72"\nkind = "emulated"\ncpu = "cortex-a72"\n'
    (said,) = missing_tools.sentences(experiment(tmp_path, TWINS_EXPERIMENT + device))
    assert said.startswith("no C++ compiler for aarch64 is installed, ")
    assert "apt install g++" in said


@pytest.mark.usefixtures("no_compiler")
@pytest.mark.parametrize(
    "text",
    [
        TWINS_EXPERIMENT.replace('["fp32", "lce"]', '["fp32"]'),
        TWINS_EXPERIMENT + '[[device]]\nname = "pi"\nkind = "ssh"\nhost = "pi.local"\n',
    ],
)
def test_a_run_that_needs_no_compiler_here_says_nothing(tmp_path: Path, text: str) -> None:
    assert list(missing_tools.sentences(experiment(tmp_path, text))) == []


def test_a_machine_with_a_compiler_says_nothing(tmp_path: Path) -> None:
    assert list(missing_tools.sentences(experiment(tmp_path))) == []


def test_the_terminal_and_the_report_say_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(coordinator.missing_tools, "sentences", lambda experiment: ["no compiler <here>"])
    with coordinator.opened(experiment(tmp_path), tmp_path / "run"):
        pass
    assert capsys.readouterr().err.count("no compiler <here>") == 1
    with Store(tmp_path / "run") as store:
        assert json.loads(store.meta("remarks") or "")[-1] == "no compiler <here>"
    page = write_report(tmp_path / "run").page.read_text(encoding="utf-8")
    assert page.count("no compiler &lt;here&gt;") == 1
