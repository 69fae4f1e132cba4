"""Writes docs/performance.md from the newest results of each machine, and the numbers that other pages take from it.

    python benchmarks/performance_page.py [--check]

Results are those of benchmarks/results: of each script, and on each kind of machine, the newest. A page takes a number
by its script and name, and where it was measured by `machine`; what is between the two comments is replaced:

    QuickNet is <!-- lce_ops.quicknet_vs_lce_best -->8.6 (8.5 to 8.7)<!-- end --> times faster than ...
    (<!-- lce_ops.machine -->AMD EPYC, 2 cores, 2026-11-27<!-- end -->)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.all import SCRIPTS
from benchmarks.results import RESULTS, SCHEMA, Table, conditions_sentence, machine_name, ratio_table, shown

PAGE = ROOT / "docs" / "performance.md"
INLINE = re.compile(r"(<!-- (\w+)\.(\w+) -->).*?(<!-- end -->)", re.DOTALL)

HEAD = """# Performance

Everything that bitlens claims about speed, as it was measured last. `python benchmarks/performance_page.py` writes this
page from [benchmarks/results](../benchmarks/results), and a test holds it to that.

* A ratio above 1 means that ours is faster, unless the line says otherwise. It is the median over rounds, in each of
  which all contenders took turns; its 95 % interval comes from order statistics.
* Rounds go on until the interval is as narrow as the script wants. Where time ran out before, the line says how wide it
  is. It covers the rounds of one run: another day, another process may differ by more.
* `counted` is the same in every run, such as instructions; `no interval` had too few rounds for one.
* BUSY says which other programs used the machine meanwhile, in CPUs on average. Ratios suffer less from it than
  milliseconds do. What a virtual machine's host does besides cannot be seen.
* `make benchmarks` measures again all that one machine can, and writes this page again. What is below took {minutes}
  minutes; `.venv/bin/python benchmarks/all.py --quick` takes fewer rounds.
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one script found on one machine."""

    script: str
    machine: str
    date: str
    part: Mapping[str, Any]

    @property
    def finished(self) -> str:
        """When, as exactly as is known."""
        return str(self.part.get("finished", self.date))

    @property
    def where(self) -> str:
        busy = ", busy with other work" if self.part["conditions"]["busy"] else ""
        return f"{self.machine}, {self.date}{busy}"


def newest(folder: Path) -> list[Measured]:
    """Of each script on each machine the newest, by script and then by age."""
    found: dict[tuple[str, str], Measured] = {}
    for path in sorted(folder.glob("*.json")):  # by date: their names begin with it
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise SystemExit(f"{path}: expected schema {SCHEMA}, got {content['schema']}: measure again, or remove it")
        for script, part in content["scripts"].items():
            machine = machine_name(part["conditions"]["machine"])
            found[script, machine] = Measured(script, machine, content["date"], part)
    return sorted(found.values(), key=lambda one: (one.script, one.finished))


def page(measured: Sequence[Measured]) -> str:
    minutes = round(sum(one.part["conditions"]["seconds"] for one in measured) / 60)
    blocks = [HEAD.format(minutes=minutes)]
    if missing := sorted(set(SCRIPTS) - {one.script for one in measured}):
        blocks.append(f"Not measured yet: {', '.join(missing)}.\n")
    for script in dict.fromkeys(one.script for one in measured):
        blocks.append(f"## {script}\n")
        blocks += ["\n".join(_section(one)) for one in measured if one.script == script]
    return "\n".join(blocks)


def _section(one: Measured) -> Iterator[str]:
    conditions = one.part["conditions"]
    yield f"{one.part['title']}: `{one.part['command']}`\n"
    yield f"*{one.date}; {conditions_sentence(conditions)}.*\n"
    if one.part["ratios"]:
        yield from _markdown(ratio_table(one.part["ratios"]))
    for table in one.part["tables"]:
        yield f"{table['title']}:\n"
        yield from _markdown(Table(**table))
    versions = ", ".join(f"{name} {version}" for name, version in conditions["versions"].items())
    yield f"With Python {conditions['machine']['python']}, {versions}.\n"


def _markdown(table: Table) -> Iterator[str]:
    rule = ["---", *["--:"] * (len(table.head) - 1)]
    yield from (f"| {' | '.join(cells)} |" for cells in (table.head, rule, *table.rows))
    yield ""


def filled(text: str, measured: Sequence[Measured], *, where: str) -> str:
    """A page's text with the newest numbers in the places that ask for them; a script may have none yet."""
    by_script = {one.script: one for one in sorted(measured, key=lambda one: one.finished)}

    def number(match: re.Match[str]) -> str:
        begin, script, name, end = match.groups()
        one = by_script.get(script)
        if one is None and script in SCRIPTS:
            return f"{begin}not measured yet{end}"
        if one is None or (name != "machine" and name not in one.part["ratios"]):
            hint = f"python benchmarks/{script}.py --save"
            raise SystemExit(f"{where}: asks for {script}.{name}, which no newest result has; try: {hint}")
        return f"{begin}{one.where if name == 'machine' else _with_interval(one.part['ratios'][name])}{end}"

    return INLINE.sub(number, text)


def _with_interval(ratio: Mapping[str, Any]) -> str:
    if ratio["low"] is None:
        return shown(ratio["value"]) + " (no interval)" * (ratio["width"] is not None)
    return f"{shown(ratio['value'])} ({shown(ratio['low'])} to {shown(ratio['high'])})"


def pages(folder: Path = RESULTS) -> dict[Path, str]:
    """All pages as they should be: this one, and those that take numbers."""
    measured = newest(folder)
    others = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    texts = {path: path.read_text(encoding="utf-8") for path in others if path != PAGE}
    return {PAGE: page(measured)} | {
        path: filled(text, measured, where=path.name) for path, text in texts.items() if INLINE.search(text)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 where a page is not what it should be"
    )
    options = parser.parse_args()
    stale = {
        path: text for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)}: {'is not what the results say' if options.check else 'written'}")
        if not options.check:
            path.write_text(text, encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
