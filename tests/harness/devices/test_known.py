"""The user's table of devices, and the messages for its mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.devices.client import hello
from harness.devices.device import make_device
from harness.devices.emulated import EmulatedDevice
from harness.devices.known import find_device, known_devices
from harness.devices.ssh import SshDevice
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import SshServer


def test_this_host_and_the_emulated_board_are_known_without_a_table(tmp_path: Path) -> None:
    assert set(known_devices(tmp_path / "none.toml")) == {"this-host", "cortex-a72"}
    assert isinstance(find_device("cortex-a72", tmp_path / "none.toml"), EmulatedDevice)


def test_rows_of_the_table_are_devices(tmp_path: Path) -> None:
    table = tmp_path / "devices.toml"
    table.write_text('[[device]]\nname = "pi4"\nkind = "ssh"\nhost = "pi@raspberrypi.local"\nport = 2222\n')
    device = find_device("pi4", table)
    assert isinstance(device, SshDevice)
    command = device.connection().command
    assert command[command.index("-p") + 1] == "2222"
    assert "pi@raspberrypi.local" in command


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[device]\n", "devices.toml"),
        ('[[device]]\nkind = "ssh"\n', "expected a name"),
        ('[[device]]\nname = "a"\nkind = "shs"\n', r'(?s)got "shs".*try: "ssh"'),
        ('[[device]]\nname = "a"\nkind = "ssh"\nhots = "b"\n', r'(?s)unknown key "hots".*try: "host"'),
        ('[[device]]\nname = "a"\nkind = "ssh"\n', "host"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "devices.toml"
    table.write_text(text)
    with pytest.raises(ConfigError, match=words):
        known_devices(table)


def test_a_board_behind_another_is_reached_as_the_ssh_configuration_says(ssh_server: SshServer, tmp_path: Path) -> None:
    config = tmp_path / "config"
    behind = "Host behind\n    ProxyJump board\n" + ssh_server.config.read_text().replace(
        "Host board\n", "Host board behind\n"
    )
    config.write_text(behind)
    row = {"name": "pi4", "kind": "ssh", "host": "behind", "config": str(config), "python": sys.executable}
    assert hello(make_device(row))["protocol"] == 1


def test_an_unknown_device_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'(?s)"this-hosts".*"this-host"'):
        find_device("this-hosts", tmp_path / "none.toml")


def test_making_a_device_touches_nothing() -> None:
    row = {"name": "far", "kind": "ssh", "host": "nowhere.invalid", "config": "/no/such/file"}
    assert make_device(row).name == "far"
