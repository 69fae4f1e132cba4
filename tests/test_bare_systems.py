"""`make demo` as the first command on a bare Debian: Python, pip and make, no compiler, nothing else.

Each system is made of Debian's packages and entered with chroot, in namespaces of its own, so nothing stays mounted. It
needs root, mmdebstrap and a network; without them the tests skip aloud.
"""

from __future__ import annotations

import csv
import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "python3,python3-pip,make,ca-certificates"
SYSTEMS = {"bookworm": "Python 3.11", "trixie": "Python 3.13"}  # Debian 12 and 13
ENTER = """
mount --bind /dev "$0/dev" && mount --bind /sys "$0/sys" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"
"""
UNITS = 82


def bare_system(suite: str, folder: Path) -> Path:
    """A root of Debian's packages with a copy of the checkout in /bitlens. Skips where it cannot be made."""
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        pytest.skip("needs root and mmdebstrap")
    root = folder / suite
    made = subprocess.run(
        ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", suite, root, MIRROR],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"no packages of {suite}: {made.stderr.strip().splitlines()[-1]}")
    copy_checkout(root / "bitlens")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    certificates = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if certificates:  # a network may have an authority of its own
        shutil.copy(certificates, root / "etc/ssl/certs/ca-certificates.crt")
    return root


def copy_checkout(folder: Path) -> None:
    """The files under version control as they are now; what was built or fetched beside them is not bare."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


def within(root: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A command in /bitlens of a bare system; all that it starts ends with it."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    if "SSL_CERT_FILE" in os.environ:
        environment["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
    environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, root, *command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )


@pytest.mark.parametrize("suite", SYSTEMS)
def test_make_demo_is_the_only_command_that_a_bare_debian_needs(suite: str, tmp_path: Path) -> None:
    root = bare_system(suite, tmp_path)
    assert within(root, ["sh", "-c", "command -v cc gcc g++ clang"]).stdout == ""
    done = within(root, ["make", "-C", "/bitlens", "demo"])
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"for {SYSTEMS[suite]}." in done.stderr
    assert (
        f"demo: {UNITS} units of work (conversions, measurements, maps, scores), 0 done before, {UNITS} to do"
        in done.stderr
    )
    assert "failed" not in done.stderr
    with (root / "bitlens/runs/demo/comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["format"] == "lce"]
    assert {row["num_threads"] for row in rows} == {"1", "2"}
    assert all(row["status"] == "done" and row["delegate"].startswith("lce-ops") for row in rows)
