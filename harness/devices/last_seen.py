"""What this host remembers of its devices between two commands: when each was last seen, and what the doctor said.

One small file of the user's own. It is a convenience: where it cannot be read nothing is remembered, and where it
cannot be written nothing is kept.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from device.files import write_whole

MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """Times are seconds since 1970, by this host's clock; None for never.

    row     the device's row when it was seen: another device may have its name by now.
    doctor  what the last examination found, such as "1 error: disk full".
    """

    row: dict[str, Any]
    seen_at: float | None = None
    doctor: str = ""
    doctor_at: float | None = None


def path() -> Path:
    """$XDG_STATE_HOME/bitlens/devices.json, ~/.local/state by default."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local/state") / "bitlens" / "devices.json"


def remembered(name: str, row: dict[str, Any]) -> Remembered:
    """What is known of the device of this name and row."""
    try:
        found = Remembered(**_read()[name])
        return found if found.row == row and _makes_sense(found) else Remembered(row=row)
    except (KeyError, TypeError):
        return Remembered(row=row)


def _makes_sense(found: Remembered) -> bool:
    """Whether a file that anybody may have edited says times where times are expected, and a text of the doctor's."""
    times = (at for at in (found.seen_at, found.doctor_at) if at is not None)
    return isinstance(found.doctor, str) and all(type(at) in (int, float) and math.isfinite(at) for at in times)


def note(name: str, row: dict[str, Any], *, doctor: str = "", clock: Callable[[], float] = time.time) -> None:
    """The device was seen just now; and examined, where the doctor found something to say."""
    before = remembered(name, row)
    now = clock()
    examined = {"doctor": doctor, "doctor_at": now} if doctor else {}
    after = Remembered(**{**asdict(before), "seen_at": now, **examined})
    with suppress(OSError):
        path().parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(path()), json.dumps({**_read(), name: asdict(after)}, indent=1).encode())


def _read() -> dict[str, Any]:
    try:
        with path().open("rb") as file:
            content = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
