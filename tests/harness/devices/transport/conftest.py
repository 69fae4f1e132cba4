"""This host as a device with a cache of its own; nothing waits before it tries again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.devices import retry
from harness.devices.local import LocalDevice


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PAUSES_SECONDS", (0.0, 0.0))


@pytest.fixture
def local(tmp_path: Path) -> LocalDevice:
    return LocalDevice(name="this-host", cache=str(tmp_path / "cache"))
