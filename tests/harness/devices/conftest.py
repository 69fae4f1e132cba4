"""The fixtures of devices_under_test.py, for every test of this folder."""

from __future__ import annotations

from tests.harness.devices.devices_under_test import device, ssh_server

__all__ = ["device", "ssh_server"]
