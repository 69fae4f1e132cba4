"""The fixtures of devices_under_test.py, for every test of this folder."""

from __future__ import annotations

from devices_under_test import device, ssh_server
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # a busy machine is no failure

__all__ = ["device", "ssh_server"]
