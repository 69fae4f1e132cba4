"""Runtimes in experiment files: [[runtime]] tables, and who uses them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import ConfigError
from harness.experiment.experiment import Experiment
from harness.experiment.reader import read_experiment

FILE = """\
models = ["planted-float"]
{top}
[dataset]
kind = "planted"
{tables}
"""
OFF = '[[runtime]]\nname = "off"\nxnnpack = false'


def read(folder: Path, top: str = "", tables: str = "") -> Experiment:
    path = folder / "mine.toml"
    path.write_text(FILE.format(top=top, tables=tables))
    return read_experiment(path)


def specs(folder: Path, top: str = "", tables: str = "") -> list[dict[str, Any]]:
    return [device.spec() for device in read(folder, top, tables).devices]


def test_a_device_without_options_is_recorded_as_before(tmp_path: Path) -> None:
    """Keys of units are hashes of this."""
    assert specs(tmp_path) == [{"name": "this-host", "kind": "local", "runtime": "auto"}]
    forced = '[[device]]\nname = "pi4"\nkind = "ssh"\nhost = "pi"\nruntime = "tflite-runtime"'
    assert specs(tmp_path, tables=forced) == [{"name": "pi4", "kind": "ssh", "host": "pi", "runtime": "tflite-runtime"}]


def test_each_runtime_of_a_device_is_recorded_with_its_options(tmp_path: Path) -> None:
    plain, off = specs(tmp_path, 'runtimes = ["auto", "off"]', OFF)
    assert plain == {"name": "this-host", "kind": "local", "runtime": "auto"}
    assert off == {**plain, "runtime": "off", "runtime_options": {"name": "off", "xnnpack": False}}


def test_a_devices_own_runtimes_go_before_those_of_the_experiment(tmp_path: Path) -> None:
    devices = '[[device]]\nname = "a"\n[[device]]\nname = "b"\nruntime = ["off", "tflite-runtime"]\n'
    used = [(spec["name"], spec["runtime"]) for spec in specs(tmp_path, 'runtimes = ["tensorflow"]', devices + OFF)]
    assert used == [("a", "tensorflow"), ("b", "off"), ("b", "tflite-runtime")]


def test_judges_and_maps_on_a_device_use_its_first_runtime(tmp_path: Path) -> None:
    judge = '[saliency]\nmethods = ["gradient"]\n[quality]\nmetrics = ["insertion_auc"]\n[[quality.judge]]\n'
    (deployed,) = read(tmp_path, 'runtimes = ["tensorflow", "off"]', judge + OFF).judges
    assert [device.spec()["runtime"] for device in deployed.devices] == ["tensorflow"]


REFUSED = {
    "a runtime's own name": ('runtimes = ["tensorflow"]', '[[runtime]]\nname = "tensorflow"', "a name of its own"),
    "auto as a name": ("", '[[runtime]]\nname = "auto"', "expected a name of its own"),
    "nobody uses it": ("", OFF, 'runtime]] "off": expected a device that uses it'),
    "two of one name": ('runtimes = ["off"]', f"{OFF}\n{OFF}", 'expected every name once, got "off"'),
    "no such runtime": ('runtimes = ["tflite-runtme"]', "", 'expected a runtime, got "tflite-runtme"'),
    "one that is not defined": ("", '[[device]]\nname = "a"\nruntime = "edgetpu"', 'got "edgetpu"'),
    "twice": ('runtimes = ["auto", "auto"]', "", 'expected every name once, got "auto"'),
    "none": ("runtimes = []", "", "runtimes: expected at least one"),
    "a number": ("", '[[device]]\nname = "a"\nruntime = 3', "runtime: expected a list in .brackets., got 3"),
    "a list as option": (
        'runtimes=["x"]', '[[runtime]]\nname = "x"\ndelegate = "x.so"\noptions = { a = [1] }', "a text, a number"
    ),
    "an unknown key": ('runtimes = ["x"]', '[[runtime]]\nname = "x"\ndelegat = "x.so"', "delegat: no such key"),
    "a text for a truth": ('runtimes = ["x"]', '[[runtime]]\nname = "x"\nxnnpack = "off"', "expected true or false"),
    "no such file": ('runtimes = ["x"]', '[[runtime]]\nname = "x"\ndelegate = "./x.so"', "delegate: found no file"),
    "options as a text": (
        'runtimes=["x"]', '[[runtime]]\nname = "x"\ndelegate = "x.so"\noptions = "a=1"', "expected a table such as"
    ),
    "options in a device": ("", '[[device]]\nname = "a"\nruntime_options = { xnnpack = false }', "runtime_options"),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSED)
def test_a_slip_about_runtimes_is_one_sentence_that_names_the_file(tmp_path: Path, why: str) -> None:
    top, tables, words = REFUSED[why]
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, top, tables)
    assert str(caught.value).startswith("mine.toml ")
