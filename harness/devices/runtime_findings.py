"""What a device's runtimes are good for: which types of operators XNNPACK runs, and whether it can have ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.devices.finding import Finding
from harness.errors import BitlensError
from harness.native.build import source_of

TAKES_OUR_OPERATORS = ("ai-edge-litert", "tflite-runtime")


def runtime_findings(runtimes: Sequence[dict[str, Any]], architecture: str, *, mend: str) -> Iterator[Finding]:
    """One for each runtime of an agent's hello, and what to know of all of them.

    mend  what to do about a runtime that is there and cannot work.
    """
    for runtime in runtimes:
        if runtime["usable"]:
            named = f"runtime {runtime['name']} {runtime['version']}"
            yield Finding(severity="ok", what=f"{named}, {_xnnpack(runtime)}")
        else:
            yield Finding(severity="warning", what=runtime["reason"], hint=mend)
    usable = [runtime for runtime in runtimes if runtime["usable"]]
    if usable and not any("int8" in runtime["xnnpack"] for runtime in usable):
        what = "no runtime here gives int8 to XNNPACK: int8 may come out slower than fp32"
        yield Finding(severity="warning", what=what, hint="ai-edge-litert, which needs Python 3.10 or later")
    if any(runtime["name"] in TAKES_OUR_OPERATORS for runtime in usable):
        yield _our_operators(architecture)


def _xnnpack(runtime: dict[str, Any]) -> str:
    kinds = " and ".join(runtime["xnnpack"])
    return f"XNNPACK for {kinds}" if kinds else "no XNNPACK"


def _our_operators(architecture: str) -> Finding:
    """Whether this host can send our LCE operators, which binarized artifacts need there."""
    try:
        return Finding(severity="ok", what=f"our LCE operators: {source_of(architecture)}")
    except BitlensError as error:
        problem, _, hint = str(error).partition("\n  try: ")
        return Finding(severity="warning", what=problem, hint=hint)
