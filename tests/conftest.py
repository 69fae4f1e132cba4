"""What all tests share: property tests judge values, never speed; `tf.keras` is Keras 2."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

from harness import keras_packages
from harness.errors import counted
from tests.skips import TITLE, skip_lines

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several: files that a machine has once, such as its lock, are its own
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="bitlens-tests-")
    tempfile.tempdir = None
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)

if "BITLENS_TESTS_STATE" not in os.environ:  # what is remembered of devices is the user's own
    os.environ["XDG_STATE_HOME"] = os.environ["BITLENS_TESTS_STATE"] = tempfile.mkdtemp(prefix="bitlens-tests-state-")
    atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

keras_packages.set_up()  # before TensorFlow is imported: `tf.keras` is Keras 2 in tests

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")  # a busy machine is not a failure


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests this machine cannot run, and what to install."""
    skipped = terminalreporter.getreports("skipped")
    if skipped:
        terminalreporter.section(f"{counted(len(skipped), 'test')} {TITLE}")
        for line in skip_lines(str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)):
            terminalreporter.line(line)
