"""What `bitlens bench` is told of runtimes, and how it shows who ran which operators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli import bench_options
from harness.cli.bench_text import _delegation_lines, _origin
from harness.cli.main import main
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import FLOAT


def test_options_of_the_command_line_become_a_choice() -> None:
    choice = bench_options.runtime(
        base="ai-edge-litert", delegate="libedgetpu.so.1", options=["device=usb", "path=a=b"], xnnpack=None
    )
    assert choice.record() == {
        "base": "ai-edge-litert",
        "delegate": "libedgetpu.so.1",
        "options": {"device": "usb", "path": "a=b"},
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["usb"], '--delegate-option: expected KEY=VALUE, got "usb"'),
        (["=usb"], '--delegate-option: expected KEY=VALUE, got "=usb"'),
        (["a=1", "a=2"], '--delegate-option: two values for "a"'),
    ],
)
def test_an_option_of_a_delegate_is_a_key_and_a_value(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        bench_options.runtime(delegate="libx.so", options=options)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--delegate", "./libnone.so"], "--delegate: found no file"),
        (["--delegate-option", "a=1"], "--delegate-option: expected a delegate beside them"),
        (["--accelerator", "tpu"], "--accelerator: expected one of cpu, gpu, npu"),
        (["--accelerator", "gpu", "--no-xnnpack"], "a compiled artifact takes no xnnpack"),
        (["--runtime", "ai-edge"], "--runtime: expected a runtime"),
    ],
)
def test_a_slip_is_one_sentence_and_a_bad_request(
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bitlens", "bench", str(FLOAT), *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr().err
    assert (ended.value.code, printed.count("\n") <= 2, words in printed) == (2, True, True), printed


def record(**changes: Any) -> dict[str, Any]:
    delegation = {
        "operators": 31,
        "taken": {"libedgetpu.so.1": 28, "XNNPACK": 1},
        "macs_share": 0.987,
        "outside": {"SOFTMAX": 1, "CAST": 1},
    }
    return {"delegation": delegation, "runtime_note": "", "options": None, "delegate_from": None, **changes}


def test_who_ran_how_much_is_two_lines() -> None:
    assert list(_delegation_lines(record())) == [
        "  operators 31, by delegates: libedgetpu.so.1 28, XNNPACK 1, 98.7% of the MACs",
        "            outside of them: 1 SOFTMAX, 1 CAST",
    ]


def test_a_note_stands_beside_the_number_and_what_is_not_known_is_left_out() -> None:
    unknown = {"operators": 5, "taken": {"XNNPACK": None}, "macs_share": None, "outside": None}
    lines = list(_delegation_lines(record(delegation=unknown, runtime_note="it is slow")))
    assert lines == ["  operators 5, by delegates: XNNPACK some", "  note      it is slow"]
    assert list(_delegation_lines(record(delegation=None))) == []


def test_which_file_a_delegate_was_is_said() -> None:
    said = record(delegate_from="this host", options={"delegate": "/home/ada/libx.so"})
    assert _origin(said) == "; /home/ada/libx.so is a file of this host"
    assert _origin(record()) == ""
