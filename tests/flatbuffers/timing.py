"""Whether a runtime here loads and runs flatbuffers: one process for all of them, and another where a file ended it.

    python -m tests.flatbuffers.timing RUNTIME < list.json

Reads [[path, shapes], ...] and prints a line for each: its time in nanoseconds, or the reason why there is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

CRASHED = "its process ended"


def timed(runtime: str, files: Mapping[str, tuple[Path, dict[str, list[int]]]]) -> dict[str, int | str]:
    """By name: nanoseconds of one run, or why there is no number."""
    answers: dict[str, int | str] = {}
    while len(answers) < len(files):
        waiting = [name for name in files if name not in answers]
        asked = json.dumps([[str(files[name][0]), files[name][1]] for name in waiting])
        command = [sys.executable, "-m", "tests.flatbuffers.timing", runtime]
        child = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in child.stdout.splitlines() if line.startswith("[")]
        answers |= {name: answer for name, (answer,) in zip(waiting, lines)}
        if len(lines) < len(waiting):
            answers[waiting[len(lines)]] = f"{CRASHED} ({child.returncode}): {child.stderr[-300:]}"
    return answers


def main() -> None:
    for path, shapes in json.load(sys.stdin):
        try:
            answer: int | str = _time(path, sys.argv[1], shapes)
        except Exception as error:  # the reason is what is asked for
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps([answer]), flush=True)


def _time(path: str, runtime: str, shapes: dict[str, list[int]]) -> int:
    from device import inputs, runtimes

    record = {"shapes": shapes}
    engine = runtimes.load(path, runtime=runtime, inputs=record)
    engine.set_inputs(inputs.measurement_inputs(engine.inputs, record, count=1, seed=0)[0])
    started = time.perf_counter_ns()
    engine.invoke()
    return time.perf_counter_ns() - started


if __name__ == "__main__":
    main()
