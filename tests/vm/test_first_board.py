"""What docs/devices.md tells the owner of a Raspberry Pi, each command as it stands there."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from textwrap import dedent

import pytest

from tests.harness.devices.devices_under_test import FLOAT
from tests.vm.conftest import ROOT, Rig

pytestmark = pytest.mark.slow

COMMANDS = ("ssh", "bitlens")
SECONDS = 3600.0  # the experiment is for a board, which is ten times as fast


def shown() -> list[str]:
    """The page's indented blocks: commands, and one experiment file."""
    page = (ROOT / "docs/devices.md").read_text()
    part = page.split("## From a blank card to the first row")[1].split("\n## ")[0]
    return [dedent(block).strip() for block in re.findall(r"(?:^ {7}\S.*\n)+", part, flags=re.MULTILINE)]


def as_the_page_names_it(rig: Rig) -> dict[str, str]:
    """The environment of a user whose network calls the virtual machine `raspberrypi.local`."""
    config = (rig.device.machine().folder / "ssh_config").read_text()
    (rig.folder / "ssh_config").write_text(config.replace("Host board", "Host raspberrypi.local"))
    folder = rig.folder / "bin"
    folder.mkdir()
    commands = {
        "ssh": [str(shutil.which("ssh")), "-F", str(rig.folder / "ssh_config")],
        "bitlens": [sys.executable, "-m", "harness.cli.main"],
    }
    for name, words in commands.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        (folder / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(rig.folder / "config"),
        "XDG_STATE_HOME": str(rig.folder / "state"),
    }


def test_the_page_leads_from_a_blank_card_to_the_first_row(rig: Rig, tell: Callable[[str], None]) -> None:
    environment = as_the_page_names_it(rig)
    shutil.copy(FLOAT, rig.folder / "my.tflite")
    ran = 0
    for block in shown():
        if not block.startswith(COMMANDS):
            (rig.folder / "first.toml").write_text(block + "\n")
            continue
        done = subprocess.run(
            ["sh", "-c", block],
            cwd=rig.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        tell(block)
        assert done.returncode == 0, done.stdout + done.stderr
        ran += 1
    assert ran == 5
    rows = list(csv.DictReader((rig.folder / "runs/first/comparison.csv").open()))
    assert {(row["model"], row["format"]) for row in rows if row["device"] == "pi4"} == {
        ("planted-binary", "fp32"),
        ("planted-float", "fp32"),
        ("planted-float", "int8"),
    }
