"""Instructions in the inner loop of the aarch64 library, counted in its machine code; see benchmarks/lce_ops.py."""

from __future__ import annotations

import re
import shutil
import subprocess

from harness.errors import BitlensError
from harness.native.build import library

# LCE's inner block on aarch64: 96 vector instructions beside its loads for 4096 products.
LCE_PRODUCTS_PER_INSTRUCTION = 4096 / 96


def aarch64_products_per_instruction() -> float | None:
    """Binary products per vector instruction, loads aside, in the NEON kernel's inner loop; None without tools."""
    objdump = shutil.which("aarch64-linux-gnu-objdump")
    try:
        binary = library("aarch64")
    except BitlensError:
        return None
    if not objdump:
        return None
    listing = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", str(binary)], capture_output=True, text=True, check=True
    )
    counts_of = {len(re.findall(r"\tcnt\t", loop)): loop for loop in innermost_loops(listing.stdout)}
    counts = max(counts_of)
    vector = [
        line
        for line in counts_of[counts].splitlines()
        if re.search(r"\bv\d+\.", line) and not re.search(r"\t(ld|st)", line)
    ]
    return counts * 128 / len(vector)


def innermost_loops(listing: str) -> list[str]:
    """The straight stretches of code that end in a branch to their own beginning."""
    lines = re.findall(r"^\s*([0-9a-f]+):\t(.*)$", listing, re.MULTILINE)
    place = {address: i for i, (address, _) in enumerate(lines)}
    loops = []
    for i, (_, text) in enumerate(lines):
        branch = re.match(r"b\.\w+\s+([0-9a-f]+)", text)
        start = place.get(branch.group(1), i) if branch else i
        body = [f"\t{inner}" for _, inner in lines[start:i]]
        if body and not any(re.match(r"\tb[. ]|\tret", inner) for inner in body):
            loops.append("\n".join(body))
    return loops
