"""The devices that a person has: this host, the emulated board, and the rows of ~/.config/bitlens/devices.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomllib

from harness.devices.device import DEFAULT_KIND, Device, make_device
from harness.errors import ConfigError, nearest

THIS_HOST: dict[str, Any] = {"name": "this-host", "kind": DEFAULT_KIND}
BUILTIN: tuple[dict[str, Any], ...] = (
    THIS_HOST,
    {"name": "cortex-a72", "kind": "emulated", "cpu": "cortex-a72"},
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
    if not path.exists():
        return []
    try:
        rows = tomllib.loads(path.read_text()).get("device", [])
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    for position, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise ConfigError(f"{path} [[device]] {position}: expected a name", hint='name = "pi4"')
        make_device(row)
    return list(rows)
