"""Where this host keeps what devices need: the agent's cache, and the emulated board's files."""

from __future__ import annotations

import os
from pathlib import Path

from harness.devices.transport.bootstrap import CACHE

QEMU = "qemu-aarch64"


def expanded(cache: str) -> Path:
    """A device's cache folder on this host; $XDG_CACHE_HOME counts where the device names none of its own."""
    if cache == CACHE and os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "bitlens"
    return Path(cache).expanduser()


def board_folder(cache: str) -> Path:
    """Where the emulated board's files are. All emulated processors share one board."""
    return expanded(cache) / "aarch64-bookworm"
