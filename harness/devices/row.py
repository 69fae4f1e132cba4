"""What a row of a device table may hold: each value's form, checked before anything uses it in a command."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from harness.errors import ConfigError, nearest, shown

RELEASES = ("bookworm", "trixie")  # of Debian, as virtual machines
LEAST_MIB = 256  # NumPy and a runtime ask for as much before they have loaded anything
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,=+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKey:
    """A key of a row: how its value is checked, and what a person and an editor are told of it.

    form     what JSON schema says of a right value; `is_right` has the last word.
    without  what happens where it is left out, if the kind's own default does not say it.
    """

    is_right: Callable[[Any], bool]
    expected: str
    says: str
    example: str | int
    form: dict[str, Any]
    unit: str = ""
    without: str = ""


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
            raise ConfigError(
                f"{device} {name}: expected {KEYS[name].expected}, got nothing",
                hint=f'{name} = "{KEYS[name].example}"',
            )
    return {key: value for key, value in row.items() if key != "kind"}


def _problem(key: str, value: Any) -> str:
    """What was expected in the place of the value; empty where it is that."""
    return "" if KEYS[key].is_right(value) else KEYS[key].expected


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _is_integer(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most


def _is_host(value: Any) -> bool:
    """ssh would read a leading - as an option, also behind an @ or in a URL."""
    return _is_text(value) and not re.search(r"(^|@|//)-|\s", value)


def _is_folder(value: Any) -> bool:
    return _is_text(value) and value.startswith(("/", "~/")) and ".." not in PurePosixPath(value).parts


def _form(kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


KEYS: dict[str, DeviceKey] = {
    "name": DeviceKey(
        is_right=_is_text,
        expected='a name such as "pi4"',
        says="What results call it.",
        example="pi4",
        form=_form(minLength=1),
    ),
    "host": DeviceKey(
        is_right=_is_host,
        expected='an alias or an address for ssh, such as "pi@raspberrypi.local"',
        says="ssh's own argument: an alias of ~/.ssh/config, or user@address. The key must work without a question.",
        example="pi@raspberrypi.local",
        form=_form(minLength=1, pattern=r"^[^\s-]\S*$"),
    ),
    "port": DeviceKey(
        is_right=lambda value: _is_integer(value, 1, 65535),
        expected="an integer from 1 to 65535",
        says="ssh's -p.",
        example=2222,
        form=_form("integer", minimum=1, maximum=65535),
        without="as ~/.ssh/config says, or 22",
    ),
    "config": DeviceKey(
        is_right=_is_text,
        expected="the path of an ssh configuration",
        says="ssh's -F, a configuration in place of ~/.ssh/config.",
        example="boards.ssh",
        form=_form(minLength=1),
        without="~/.ssh/config",
    ),
    "python": DeviceKey(
        is_right=_is_text,
        expected="the path of an interpreter",
        says="The interpreter that runs the agent there.",
        example="/usr/bin/python3.11",
        form=_form(minLength=1),
        without="the one of `bitlens device setup`, or python3; on this host, the one that runs bitlens",
    ),
    "cpu": DeviceKey(
        is_right=lambda value: _is_text(value) and bool(_WORD.fullmatch(value)),
        expected='a name of qemu\'s such as "cortex-a72"',
        says="The processor that is emulated: a name of `qemu-aarch64 -cpu help`.",
        example="cortex-a53",
        form=_form(pattern=f"^{_WORD.pattern}$"),
    ),
    "cache": DeviceKey(
        is_right=_is_folder,
        expected='a folder of its own as an absolute path or one from ~/, without "..", such as "~/bitlens"',
        says="A folder of its own for what is kept there: agent, artifacts, images.",
        example="~/bitlens",
        form=_form(pattern="^(/|~/)"),
        without="$XDG_CACHE_HOME/bitlens, or ~/.cache/bitlens",
    ),
    "release": DeviceKey(
        is_right=lambda value: value in RELEASES,
        expected='"bookworm" or "trixie", releases of Debian',
        says="The release of Debian that boots: bookworm (12) or trixie (13).",
        example="bookworm",
        form={"enum": list(RELEASES)},
    ),
    "ram_mib": DeviceKey(
        is_right=lambda value: _is_integer(value, LEAST_MIB, 1 << 20),
        expected=f"an integer of {LEAST_MIB} or more",
        says="The memory of the whole virtual machine.",
        example=4096,
        form=_form("integer", minimum=LEAST_MIB, maximum=1 << 20),
        unit="MiB",
    ),
    "wait_s": DeviceKey(
        is_right=lambda value: _is_number(value, 0, 86_400),
        expected="seconds from 0 to 86400",
        says="How long a run waits for the board when it is away. It does not change results.",
        example=600,
        form=_form("number", minimum=0, maximum=86_400),
        unit="seconds",
    ),
    "memory_mib": DeviceKey(
        is_right=lambda value: _is_integer(value, LEAST_MIB, 1 << 40),
        expected=f"an integer of {LEAST_MIB} or more",
        says="The most memory that the process of one job may ask for.",
        example=1024,
        form=_form("integer", minimum=LEAST_MIB, maximum=1 << 40),
        unit="MiB",
        without="what the device has to spare",
    ),
}
