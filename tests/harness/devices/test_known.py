"""The user's table of devices, and the messages for its mistakes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.devices.client import hello
from harness.devices.device import make_device
from harness.devices.emulated import EmulatedDevice
from harness.devices.known import find_device, keep, known_devices, short_name
from harness.devices.ssh import SshDevice
from harness.errors import ConfigError
from tests.harness.devices.devices_under_test import SshServer


def test_this_host_and_the_emulated_boards_are_known_without_a_table(tmp_path: Path) -> None:
    assert set(known_devices(tmp_path / "none.toml")) == {"this-host", "cortex-a72", "vm-bookworm", "vm-trixie"}
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


@pytest.mark.parametrize(
    ("address", "short"),
    [
        ("pi@raspberrypi.local", "raspberrypi"),
        ("pi@192.168.1.20", "board"),
        ("root@jetson", "jetson"),
        ("ssh://pi@pi5.lan:2222", "pi5"),
        ("ssh://pi4", "pi4"),
    ],
)
def test_a_board_needs_no_row_to_be_used(address: str, short: str, tmp_path: Path) -> None:
    device = find_device(address, tmp_path / "none.toml")
    assert isinstance(device, SshDevice)
    assert (device.name, device.host) == (address, address)
    assert short_name(address) in (short, "board")


def test_a_row_is_kept_behind_what_the_table_has(tmp_path: Path) -> None:
    table = tmp_path / "new" / "devices.toml"
    keep({"name": "pi4", "kind": "ssh", "host": "pi@pi4"}, table)
    table.write_text(table.read_text() + "# my other one, in the cellar\n")
    keep({"name": "pi 5", "kind": "ssh", "host": "pi@pi5", "port": 2222, "cache": '/data/"b"'}, table)
    assert "# my other one, in the cellar\n" in table.read_text()
    rows = known_devices(table)
    assert rows["pi4"] == {"name": "pi4", "kind": "ssh", "host": "pi@pi4"}
    assert rows["pi 5"] == {"name": "pi 5", "kind": "ssh", "host": "pi@pi5", "port": 2222, "cache": '/data/"b"'}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("this-host", 'a device is called "this-host" already'),
        ("a@b", "expected was a name"),
        ("a/b", "without slashes"),
    ],
)
def test_a_name_that_cannot_be_kept_is_refused(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        keep({"name": name, "kind": "ssh", "host": "pi@pi4"}, tmp_path / "devices.toml")
    assert not (tmp_path / "devices.toml").exists()


@pytest.mark.parametrize("name", ["pi 4@home", "@pi4", "pi@", "a@b@c", "-oProxyCommand=x@y", "ssh://-x"])
def test_what_is_no_address_is_no_device(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        find_device(name, tmp_path / "none.toml")


def test_making_a_device_touches_nothing() -> None:
    row = {"name": "far", "kind": "ssh", "host": "nowhere.invalid", "config": "/no/such/file"}
    assert make_device(row).name == "far"
