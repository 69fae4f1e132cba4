"""The `bitlens` command. On a board, where only the base install is, it says what is missing instead of a traceback."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        import typer  # noqa: F401  # the host extra's first stone
    except ImportError:
        print(
            "bitlens: this is the base install, which a board needs; the command line is for the host\n"
            "  try: pip install 'bitlens[host]'",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    from harness.cli.app import run_command_line

    run_command_line()


if __name__ == "__main__":
    main()
