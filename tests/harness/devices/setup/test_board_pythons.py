"""The agent on every Python that a board may have: set up over ssh with the real wheels, and asked to predict."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness.devices.client import hello, measure, predict
from harness.devices.setup import board as board_setup
from harness.devices.ssh import SshDevice
from harness.errors import DeviceError
from tests.harness.devices.devices_under_test import ARTIFACTS, RECORD, SshServer


def interpreter(version: str) -> str | None:
    """A Python of this version: on the path, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    candidates = [shutil.which(f"python{version}"), *pyenv.glob(f"versions/{version}.*/bin/python")]
    return next((str(path) for path in candidates if path and runs(str(path))), None)


def runs(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_a_board_with_this_python_is_set_up_and_predicts(version: str, ssh_server: SshServer, tmp_path: Path) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"needs Python {version}")
    board = SshDevice(name="board", host="board", config=str(ssh_server.config), cache=str(tmp_path / "cache"))
    try:
        board_setup.setup(board, python=python, say=lambda text: None)
    except DeviceError as error:
        if "the host needs internet" not in str(error):
            raise
        pytest.skip(str(error))
    assert hello(board)["machine"]["python"].startswith(f"{version}.")
    for name in ("float", "int8"):
        stored = np.load(ARTIFACTS / f"{name}.npz")
        result = predict(board, ARTIFACTS / f"{name}.tflite", stored["images"], preprocessing=RECORD)
        np.testing.assert_allclose(result.scores, stored["scores"], atol=8 / 256)
    assert measure(board, ARTIFACTS / "float.tflite", preprocessing=RECORD, protocol={"min_seconds": 0.0})["samples_ns"]
