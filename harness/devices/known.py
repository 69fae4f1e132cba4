"""The devices that a person has: this host, the emulated boards, and the rows of ~/.config/bitlens/devices.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomllib

from harness.devices.device import DEFAULT_KIND, Device, make_device
from harness.errors import ConfigError, nearest, one_line

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
    """The device of this name. Raises ConfigError with the nearest name."""
    rows = known_devices(path)
    if name not in rows:
        raise ConfigError(
            f'no device is called "{name}"', hint=f"{nearest(name, rows)}; or add it to {path or table_path()}"
        )
    return make_device(rows[name])


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
