"""What a row of a device table may hold: each value's form, checked before anything uses it in a command."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from harness.errors import ConfigError, nearest, shown

RELEASES = ("bookworm", "trixie")  # of Debian, as virtual machines
LEAST_MIB = 256  # NumPy and a runtime ask for as much before they have loaded anything
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=+-]*")


def checked_row(row: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """The row without its kind, for the dataclass of the kind. Raises ConfigError that names device and key."""
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    device = f'device "{row.get("name")}"' if _is_text(row.get("name")) else "device"
    for key, value in row.items():
        if key == "kind":
            continue
        if key not in fields:
            raise ConfigError(f'{device}: unknown key "{key}"', hint=nearest(str(key), fields))
        expected = _problem(key, value)
        if value is not None and expected:
            raise ConfigError(f"{device} {key}: expected {expected}, got {shown(value)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and row.get(name) is None:
            expected = _CHECKS.get(name, (_is_text, "text"))[1]
            raise ConfigError(f"{device} {name}: expected {expected}, got nothing")
    return {key: value for key, value in row.items() if key != "kind"}


def _problem(key: str, value: Any) -> str:
    """What was expected in the place of the value; empty where it is that."""
    is_right, expected = _CHECKS.get(key, (_is_text_or_number, "text or a number"))
    return "" if is_right(value) else expected


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_text_or_number(value: Any) -> bool:
    return _is_text(value) or isinstance(value, (int, float))


def _is_integer(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _is_host(value: Any) -> bool:
    """ssh would read a leading - as an option, also behind an @ or in a URL."""
    return _is_text(value) and not re.search(r"(^|@|//)-|\s", value)


def _is_folder(value: Any) -> bool:
    return _is_text(value) and value.startswith(("/", "~/")) and ".." not in PurePosixPath(value).parts


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (_is_text, 'a name such as "pi4"'),
    "host": (_is_host, 'an alias or an address for ssh, such as "pi@raspberrypi.local"'),
    "port": (lambda value: _is_integer(value, 1, 65535), "an integer from 1 to 65535"),
    "config": (_is_text, "the path of an ssh configuration"),
    "python": (_is_text, "the path of an interpreter"),
    "cpu": (lambda value: _is_text(value) and bool(_WORD.fullmatch(value)), 'a name of qemu\'s such as "cortex-a72"'),
    "cache": (_is_folder, 'a folder of its own as an absolute path or one from ~/, without "..", such as "~/bitlens"'),
    "release": (lambda value: value in RELEASES, '"bookworm" or "trixie", releases of Debian'),
    "ram_mib": (lambda value: _is_integer(value, LEAST_MIB, 1 << 20), f"an integer of {LEAST_MIB} or more"),
    "wait_s": (lambda value: _is_number(value, 0, 86_400), "seconds from 0 to 86400"),
    "memory_mib": (lambda value: _is_integer(value, LEAST_MIB, 1 << 40), f"an integer of {LEAST_MIB} or more"),
}
