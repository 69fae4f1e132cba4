"""How long bitlens takes before it says something, against bounds: `--help`, and a demo whose work is all done.

    python benchmarks/start_up.py [--quick] [--json] [--save] [--demo FOLDER]

Seconds by the clock, each of a process of its own. A ratio is the bound over the seconds: 1 is the bound, and above it
is faster. The demo is run once before it is timed, unless --demo names the folder of one that is complete.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.conditions import Watch
from benchmarks.ratios import Comparison, Limits, Samples, take_turns
from benchmarks.results import Table, limits_of, parser_of, publish

BITLENS = Path(sys.executable).with_name("bitlens")
HELP, RUN_HELP, DEMO = "bitlens --help", "bitlens run --help", "bitlens demo, all done"
BOUNDS_S = {HELP: 0.3, RUN_HELP: 1.0, DEMO: 3.0}
NAMES = {HELP: "help", RUN_HELP: "run_help", DEMO: "demo_done"}


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.demo or Path(scratch) / "run"
        commands = {HELP: ["--help"], RUN_HELP: ["run", "--help"], DEMO: ["demo", "--out", str(folder)]}
        _run(commands[DEMO])
        watch = Watch()
        turns = take_turns(
            {name: _seconds(command) for name, command in commands.items()},
            {
                NAMES[name]: Comparison(_of_bound(name), f"{name}: {bound:g} s over its time")
                for name, bound in BOUNDS_S.items()
            },
            limits_of(options),
            between=watch.look,
            label="start-up",
        )
    rows = [[name, f"{turns.median(name):.2f}", f"{bound:g}"] for name, bound in BOUNDS_S.items()]
    figures = {f"{name}, seconds": round(turns.median(name), 3) for name in BOUNDS_S}
    table = Table("Seconds by the clock", ["what", "measured", "bound"], rows)
    ratios = {name: replace(ratio, floor=1.0) for name, ratio in turns.ratios.items()}
    publish(options, watch, ratios=ratios, figures=figures, tables=[table])


def _of_bound(name: str) -> Callable[[Samples], list[float]]:
    return lambda samples: [BOUNDS_S[name] / seconds for seconds in samples[name]]


def _seconds(words: list[str]) -> Callable[[], float]:
    def measured() -> float:
        started = time.perf_counter()
        _run(words)
        return time.perf_counter() - started

    return measured


def _run(words: list[str]) -> None:
    done = subprocess.run([BITLENS, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bitlens {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, Limits(width=0.1, least_rounds=9, most_rounds=40, most_seconds=90))
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="of a demo that is complete")
    return parser.parse_args()


if __name__ == "__main__":
    main()
