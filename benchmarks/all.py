"""All that one machine can measure, one script after the other, and docs/performance.md from what they have saved.

    python benchmarks/all.py [--quick] [--only lce_ops saliency ...] [--save FOLDER]

Results are kept in benchmarks/results, unless another folder is named, and each script is handed --quick. A script that
lacks a package or a compiler says so in its own words; the others go on, and the exit status is 1 in the end. What else
runs on the machine is named in the results, so they are worth most where nothing does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER / "performance_page.py"
# Of scripts that publish what they measure; the others draw, or look for differences.
MARKS = ("    publish(", "__main__")
SCRIPTS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path != Path(__file__).resolve() and all(mark in path.read_text(encoding="utf-8") for mark in MARKS)
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="as few rounds as give intervals")
    parser.add_argument("--only", nargs="+", choices=SCRIPTS, default=SCRIPTS, help="these scripts")
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="keep results there, and leave the pages as they are"
    )
    options = parser.parse_args()
    words = [*(["--quick"] if options.quick else []), "--save", *([str(options.save)] if options.save else [])]
    failed = [name for name in options.only if not _succeeds(name, words)]
    if not options.save:
        subprocess.run([sys.executable, str(PAGE)], check=True)
    for name in failed:
        print(f"{name}: failed, see above", file=sys.stderr)
    return int(bool(failed))


def _succeeds(name: str, words: list[str]) -> bool:
    print(f"\n== {name}", flush=True)
    began = time.monotonic()
    done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], check=False)
    print(f"== {name}: {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
