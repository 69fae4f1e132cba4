"""Rows of device tables: a wrong value is one sentence that names device and key, whatever somebody writes there."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import app
from harness.devices.device import KINDS, make_device
from harness.devices.known import known_devices
from harness.errors import ConfigError

SSH = {"name": "pi4", "kind": "ssh", "host": "pi@raspberrypi.local"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("host", None), ("host", ""), ("host", "-oProxyCommand=touch /tmp/x"), ("host", "pi@-oProxyCommand=x"),
        ("host", "a b"), ("host", "a\nb"), ("host", 3), ("host", ["a"]), ("host", {"a": 1}),
        ("port", "22"), ("port", 0), ("port", 65536), ("port", True), ("port", 22.0), ("port", -1),
        ("config", ""), ("config", 3), ("config", "a\0b"), ("python", []), ("python", "py\x1b[2Jthon"),
        ("cache", ""), ("cache", "relative"), ("cache", "~"), ("cache", "~other/x"), ("cache", "/a/../b"),
        ("cache", "~/../b"), ("cache", "/a\0b"), ("cache", "/a\nb"), ("cache", 7), ("cache", "/tmp/\u202egnp"),
        pytest.param("port", 1 << 20_000, id="port-of many digits"),
        ("memory_mib", 0), ("memory_mib", -5), ("memory_mib", "2 GiB"), ("memory_mib", 1.5), ("memory_mib", True),
        ("memory_mib", 64), ("memory_mib", 10**30), ("name", ""), ("name", 3), ("name", "a\nb"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_form_is_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{key}: expected .*, got "):
        make_device({**SSH, key: value})


@pytest.mark.parametrize("row", [{**SSH, "cache": "~/bitlens"}, {**SSH, "port": 22, "memory_mib": 512, "cache": "/x"}])
def test_a_row_of_the_right_form_is_a_device(row: dict[str, Any]) -> None:
    device = make_device(row)
    assert all(getattr(device, key) == value for key, value in row.items())


@pytest.mark.parametrize("cpu", ["", "-cpu", "cortex a72", "max;x", 72])
def test_a_processor_has_the_form_of_a_name(cpu: Any) -> None:
    with pytest.raises(ConfigError, match=r'cpu: expected a name of qemu\'s such as "cortex-a72", got '):
        make_device({"name": "emulated", "kind": "emulated", "cpu": cpu})


@pytest.mark.parametrize("kind", [[], {"a": 1}, 3, "\x1b[2J", "SSH"])
def test_a_kind_that_is_none_is_named(kind: Any) -> None:
    with pytest.raises(ConfigError, match="kind: got ") as caught:
        make_device({"name": "pi4", "kind": kind})
    assert str(caught.value).replace("\n", "").isprintable()


WILD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda items: st.lists(items), max_leaves=5
)


@given(
    st.sampled_from(list(KINDS)), st.dictionaries(st.sampled_from(["name", "host", "cache", "cpu", "port", "x"]), WILD)
)
def test_any_row_is_a_device_or_one_clear_error(kind: str, row: dict[str, Any]) -> None:
    with suppress(ConfigError):  # and nothing else
        assert make_device({**row, "kind": kind}).name == row["name"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'[device]\nname = "a"\n', r"expected \[\[device\]\] tables, got .*two brackets"),
        (b"device = 3\n", r"expected \[\[device\]\] tables, got 3"),
        (b'device = ["pi4"]\n', r"\[\[device\]\] 1: expected a name"),
        (b'[[device]]\nname = "pi4"\nkind = "ssh"\n', r'\[\[device\]\] 1: device "pi4" host: expected an alias'),
        (b'[[device]]\nname = "a"\n[[device]]\nname = "a"\n', 'two devices are called "a"'),
        (b'[[devices]]\nname = "a"\n', 'unknown key "devices"'),
        (b'[[device]]\nname = "caf\xe9"\n', "codec can't decode byte"),
        (b"a = " + b"[" * 5000, "devices.toml: "),
        (b"#" * ((1 << 20) + 1), "of 1 MiB at most"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "devices.toml").write_bytes(text)
    with pytest.raises(ConfigError, match=rf"(?s)devices\.toml.*{words}|{words}"):
        known_devices(tmp_path / "devices.toml")


@pytest.mark.parametrize("what", ["a pipe", "a folder"])
def test_a_table_that_is_no_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "devices.toml"
    os.mkfifo(path) if what == "a pipe" else path.mkdir()
    with pytest.raises(ConfigError, match="expected a file with a table of devices"):
        known_devices(path)


def test_the_command_line_says_so_and_lists_a_row_without_a_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "bitlens").mkdir()
    (tmp_path / "bitlens/devices.toml").write_text('[[device]]\nname = "plain"\n')
    listed = CliRunner().invoke(app, ["device", "list", "--no-probe"])
    assert listed.exit_code == 0
    assert re.search(r"plain +local +not asked", listed.stdout)
    (tmp_path / "bitlens/devices.toml").write_text(
        '[[device]]\nname = "pi4"\nkind = "ssh"\nhost = "-oProxyCommand=x"\n'
    )
    refused = CliRunner().invoke(app, ["doctor", "pi4"])
    assert isinstance(refused.exception, ConfigError)
