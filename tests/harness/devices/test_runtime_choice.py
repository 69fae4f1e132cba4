"""Runtimes with options: what may be said together, which file a delegate is, and what jobs make of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from device.delegates import machine_of
from harness.devices.job import Job
from harness.devices.runtime_choice import RuntimeChoice, chosen, runtime_of
from harness.errors import ConfigError, DeviceError
from tests.harness.devices.devices_under_test import FLOAT

ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00"


def library(path: Path, machine: int) -> Path:
    """As much of a shared library as tells for which machine it is: 62 is x86_64, 183 aarch64."""
    path.write_bytes(ELF + machine.to_bytes(2, "little") + bytes(100))
    return path


def test_what_is_not_said_leaves_no_trace() -> None:
    assert RuntimeChoice().record() == {}
    assert not RuntimeChoice(base="tensorflow").has_options
    assert RuntimeChoice(name="off", xnnpack=False).record() == {"name": "off", "xnnpack": False}


def test_a_unit_gives_back_the_choice_that_it_was_planned_with() -> None:
    choice = RuntimeChoice(name="mine", delegate="libx.so", options={"a": "1"})
    assert runtime_of({"runtime": "mine", "runtime_options": choice.record()}) == choice
    assert runtime_of({"runtime": "auto"}) == "auto"


def test_options_of_a_delegate_are_texts(tmp_path: Path) -> None:
    said = {"delegate": "libx.so", "options": {"threads": 2, "fast": True, "ratio": 0.5, "name": "a"}}
    options = chosen(said, folder=tmp_path, where="x").options
    assert options == {"threads": "2", "fast": "true", "ratio": "0.5", "name": "a"}


def test_a_weight_cache_is_of_litert_on_the_cpu(tmp_path: Path) -> None:
    choice = chosen({"weight_cache": True}, folder=tmp_path, where="x")
    assert (choice.base, choice.accelerator) == ("ai-edge-litert", "cpu")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown base": ({"base": "ai-edge"}, 'base: expected a runtime, got "ai-edge"'),
    "unknown accelerator": ({"accelerator": "tpu"}, 'accelerator: expected one of cpu, gpu, npu, got "tpu"'),
    "options alone": ({"options": {"a": "1"}}, "options: expected a delegate beside them"),
    "accelerator elsewhere": ({"accelerator": "cpu", "base": "tensorflow"}, "only ai-edge-litert has it"),
    "accelerator and delegate": (
        {"accelerator": "gpu", "delegate": "libx.so"},
        "a compiled artifact takes no delegate",
    ),
    "accelerator and XNNPACK": ({"accelerator": "cpu", "xnnpack": True}, "a compiled artifact takes no xnnpack"),
    "weight cache of a GPU": ({"accelerator": "gpu", "weight_cache": True}, "runs without"),
    "LCE's own": ({"base": "larq-compute-engine", "xnnpack": False}, "larq-compute-engine takes no delegates"),
    "nothing": ({"delegate": ""}, 'delegate: expected the path or the name of a shared library, got ""'),
    "no such file": ({"delegate": "./libnone.so"}, "delegate: found no file"),
    "a text": ({"delegate": "./text.so"}, "delegate: expected a shared library, got"),
    "a folder": ({"delegate": "./"}, "delegate: expected a shared library, got"),
    "an option with a NUL": ({"delegate": "libx.so", "options": {"a": "1\0002"}}, "options: expected texts in UTF-8"),
    "an option that is no text": ({"delegate": "libx.so", "options": {"a": "\udcff"}}, "options: expected texts"),
    "an option without a name": ({"delegate": "libx.so", "options": {"": "1"}}, "options: expected texts"),
    "a lone byte": ({"delegate": "./\udcff.so"}, "delegate: expected the path or the name"),
    "a NUL": ({"delegate": "a\0b"}, "delegate: expected the path or the name"),
    "two meanings": ({"delegate": "here.so"}, "may be the file here, or the device's"),
    "nobody's home": ({"delegate": "~nobody-here/x.so"}, "delegate: expected a shared library, got"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_request_that_makes_no_sense_is_refused_in_one_sentence(tmp_path: Path, why: str) -> None:
    (tmp_path / "text.so").write_text("no library")
    library(tmp_path / "here.so", 62)
    said, words = REFUSED[why]
    with pytest.raises(ConfigError, match=words):
        chosen(said, folder=tmp_path, where="[[runtime]] x")


def test_a_relative_path_is_this_hosts_and_a_name_is_the_devices(tmp_path: Path) -> None:
    library(tmp_path / "mine.so", 183)
    ours = chosen({"delegate": "./mine.so"}, folder=tmp_path, where="x")
    assert (ours.delegate, ours.of_host, bool(ours.delegate_sha256)) == (str(tmp_path / "mine.so"), True, True)
    for theirs in ("libedgetpu.so.1", "/usr/lib/libnothing-here.so"):
        choice = chosen({"delegate": theirs}, folder=tmp_path, where="x")
        assert (choice.delegate, choice.of_host, choice.delegate_sha256) == (theirs, False, None)


def test_another_file_by_the_same_path_is_another_runtime(tmp_path: Path) -> None:
    path = library(tmp_path / "mine.so", 183)
    before = chosen({"delegate": "./mine.so"}, folder=tmp_path, where="x")
    path.write_bytes(path.read_bytes() + b"more")
    assert chosen({"delegate": "./mine.so"}, folder=tmp_path, where="x").record() != before.record()


# ------------------------------------------------------------------------------------------ what a job makes of it
class Board:
    """A session with an aarch64 board that keeps what is put there."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def request(self, verb: str, **arguments: Any) -> dict[str, Any]:
        assert verb == "hello"
        return {"machine": {"architecture": "aarch64"}, "runtimes": []}

    def put(self, sha256: str, path: Path, **arguments: Any) -> None:
        self.kept.append(path.name)


class Ssh:
    name, kind = "pi4", "ssh"

    @contextmanager
    def open(self) -> Iterator[Any]:
        raise AssertionError("nobody opens it")


def told(choice: RuntimeChoice, board: Board) -> dict[str, Any]:
    device: Any = Ssh()
    session: Any = board
    return Job(device=device, artifact=FLOAT, runtime=choice, num_threads=1).executed_by(session)["options"]


def choice_of(delegate: str, folder: Path) -> RuntimeChoice:
    return chosen({"delegate": delegate}, folder=folder, where="x")


def test_a_file_for_the_boards_machine_is_sent(tmp_path: Path) -> None:
    path, board = library(tmp_path / "mine.so", 183), Board()
    assert machine_of(str(path)) == "aarch64"
    for delegate in ("./mine.so", str(path)):
        options = told(choice_of(delegate, tmp_path), board)
        assert options["sent"] is True
        assert options["delegate_name"] == "mine.so"
    assert board.kept == ["mine.so"] * 2


def test_a_whole_path_to_another_machines_library_here_is_the_boards_own(tmp_path: Path) -> None:
    path, board = library(tmp_path / "libedgetpu.so.1", 62), Board()
    options = told(choice_of(str(path), tmp_path), board)
    assert options["delegate"] == str(path)
    assert "sent" not in options
    assert board.kept == []


def test_a_file_for_another_machine_is_refused(tmp_path: Path) -> None:
    library(tmp_path / "mine.so", 62)
    with pytest.raises(DeviceError, match=r'delegate "mine\.so": it is built for x86_64, and device "pi4" is aarch64'):
        told(choice_of("./mine.so", tmp_path), Board())


def test_a_file_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    path = library(tmp_path / "mine.so", 183)
    choice = choice_of("./mine.so", tmp_path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(DeviceError, match="changed since this was planned"):
        told(choice, Board())


def test_a_name_is_left_to_the_boards_loader(tmp_path: Path) -> None:
    assert told(choice_of("libedgetpu.so.1", tmp_path), Board())["delegate"] == "libedgetpu.so.1"
