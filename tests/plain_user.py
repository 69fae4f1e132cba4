"""Commands as a user whom modes of files keep out: where the tests run as root, without the right to ignore them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
ROOT = Path(__file__).parents[1]


def obey_modes() -> None:
    """In a process that is about to execute another. Raises OSError where the right cannot be given up."""
    if os.geteuid() == 0:
        for right in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, right, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "the right to ignore modes cannot be given up")


def bitlens(*arguments: object, cwd: Path, **variables: str | None) -> subprocess.CompletedProcess[str]:
    """`bitlens` with these environment variables besides ours; None removes one."""
    environment = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        preexec_fn=obey_modes,
        capture_output=True,
        text=True,
        check=False,
    )
