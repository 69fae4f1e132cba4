"""The devices that a person has: this host, the emulated boards, and the rows of ~/.config/bitlens/devices.toml."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomllib

from device.files import write_whole
from harness.devices.device import DEFAULT_KIND, Device, make_device
from harness.errors import ConfigError, nearest, one_line, shown

THIS_HOST: dict[str, Any] = {"name": "this-host", "kind": DEFAULT_KIND}
MOST_BYTES = 1 << 20
BUILTIN: tuple[dict[str, Any], ...] = (
    THIS_HOST,
    {"name": "cortex-a72", "kind": "emulated", "cpu": "cortex-a72"},
    {"name": "vm-bookworm", "kind": "vm", "release": "bookworm"},
    {"name": "vm-trixie", "kind": "vm", "release": "trixie"},
)


def table_path() -> Path:
    """$XDG_CONFIG_HOME/bitlens/devices.toml, ~/.config by default."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "bitlens" / "devices.toml"


def known_devices(path: Path | None = None) -> dict[str, dict[str, Any]]:
    """Rows by name: the built-in ones, and over them those of the user's table. Raises ConfigError."""
    rows = [*BUILTIN, *_read(path or table_path())]
    return {row["name"]: dict(row) for row in rows}


def find_device(name: str, path: Path | None = None) -> Device:
    """The device of this name, or the board at this address, such as pi@raspberrypi.local.

    Raises ConfigError with the nearest name.
    """
    return make_device(find_row(name, path))


def find_row(name: str, path: Path | None = None) -> dict[str, Any]:
    """The row of this name; or one for an address of ssh's, by which the board is called until its row is kept."""
    rows = known_devices(path)
    if name in rows:
        return rows[name]
    if is_address(name):
        return {"name": name, "kind": "ssh", "host": name}
    raise ConfigError(
        f'no device is called "{name}"',
        hint=f"{nearest(name, rows)}; or user@host for a board; or add it to {path or table_path()}",
    )


def is_address(name: str) -> bool:
    """Whether it is one of ssh's own ways to name a user and a host: "pi@pi4", "ssh://pi@pi4:2222"."""
    word = r"[^@\s/-][^@\s/]*"
    return re.fullmatch(rf"(ssh://)?{word}@{word}|ssh://{word}", name) is not None


def keep(row: Mapping[str, Any], path: Path | None = None) -> Path:
    """Add a row to the user's table, behind what is there. Raises ConfigError for a name that is taken."""
    table = path or table_path()
    require_free(row["name"], path)
    make_device(row)
    try:
        before = table.read_text(encoding="utf-8") if table.exists() else ""
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        table.parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(table.resolve()), f"{before}{gap}{as_toml(row)}".encode())
    except OSError as error:
        raise ConfigError(f"{table}: could not be written ({error.strerror})") from error
    return table


def require_free(name: str, path: Path | None = None) -> None:
    """Raises ConfigError for a name that a device has already, that would be taken for an address, or that an
    experiment would refuse."""
    if not name.strip() or len(name) > 100 or "/" in name or "\\" in name or not name.isprintable():
        expected = "expected a name without slashes and control characters, of 100 characters at most"
        raise ConfigError(f"{expected}, got {shown(name)}", hint="a word such as pi4")
    if name in known_devices(path):
        raise ConfigError(f'{path or table_path()}: a device is called "{name}" already', hint="another name")
    if is_address(name):
        raise ConfigError(f'"{name}" is an address, and expected was a name', hint=short_name(name))


def short_name(address: str) -> str:
    """ "pi@raspberrypi.local" -> "raspberrypi"; a number of a host says little, so that is "board"."""
    host = address.removeprefix("ssh://").rpartition("@")[2].partition(":")[0]
    first = host.partition(".")[0]
    return first if re.fullmatch(r"[A-Za-z][\w-]*", first) else "board"


def as_toml(row: Mapping[str, Any]) -> str:
    """A row as it stands in a table of devices."""
    return "[[device]]\n" + "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in row.items())


def _read(path: Path) -> list[Mapping[str, Any]]:
    table = _parsed(path)
    unknown = next((key for key in table if key != "device"), None)
    if unknown is not None:
        raise ConfigError(f'{path}: unknown key "{unknown}"', hint="[[device]] before each device's rows")
    rows = table.get("device", [])
    if not isinstance(rows, list):
        raise ConfigError(f"{path}: expected [[device]] tables, got {repr(rows)[:60]}", hint="two brackets: [[device]]")
    for position, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise ConfigError(f"{path} [[device]] {position}: expected a name", hint='name = "pi4"')
        try:
            make_device(row)
        except ConfigError as error:
            raise ConfigError(f"{path} [[device]] {position}: {error}") from error
    names = [row["name"] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f'{path}: two devices are called "{twice}"', hint="another name for one of them")
    return rows


def _parsed(path: Path) -> dict[str, Any]:
    """The TOML file, empty where there is none."""
    try:
        if not path.exists():
            return {}
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: expected a file with a table of devices, of {MOST_BYTES >> 20} MiB at most")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: could not be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: {one_line(error)}") from error
