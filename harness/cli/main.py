"""The `bitlens` command: it runs the app, and turns what went wrong into a sentence and an exit code.

On a board, where only the base install is, it says what is missing instead of a traceback.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from harness import keras_packages
from harness.cli.invocation import as_typed
from harness.errors import BitlensError
from harness.temporary import use_own_temporary_folder

BASE_INSTALL = """this is the base install, which a board needs; the command line is for the host
  try: pip install 'bitlens[host]'"""

INTERRUPTED = 128 + signal.SIGINT  # what a shell says of Ctrl-C
_terminated: list[int] = []  # the signals that asked this process to end in good order, besides Ctrl-C


def main() -> None:
    """A mistake is one sentence and exit code 2, a failure one sentence and exit code 1."""
    try:
        import typer  # noqa: F401  # the first thing of the host extra that is needed
    except ImportError:
        _end(BASE_INSTALL, exit_code=2)
    from harness.cli.app import app

    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _as_ctrl_c)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may hold what the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    with contextlib.suppress(OSError):  # where there is no place for one, whoever needs it says so
        use_own_temporary_folder()
    keras_packages.set_up()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's start-up banner is not our news
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:
            raise
        print(file=sys.stderr)  # Typer ends without a word when it is interrupted
        status = 128 + _terminated[0] if _terminated else INTERRUPTED
        _end(f"stopped; all that was finished is kept\n  try: {as_typed()}", exit_code=status)
    except BitlensError as error:
        if os.environ.get("BITLENS_DEBUG"):
            raise
        _end(str(error), exit_code=error.exit_code)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """What ends by SIGTERM does so as by Ctrl-C: at a moment that has not blocked it, with what is finished kept."""
    _terminated.append(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.raise_signal(signal.SIGINT)


def _end(sentence: str, *, exit_code: int) -> NoReturn:
    print(f"bitlens: {sentence}", file=sys.stderr)
    raise SystemExit(exit_code) from None


if __name__ == "__main__":
    main()
