"""What the scripts of this folder share: their options, how they print, and where results are kept.

    parser = parser_of(__doc__, Limits(width=0.05, most_seconds=60))
    parser.add_argument(...)
    options = parser.parse_args(arguments)
    watch = Watch()
    turns = take_turns(contenders, comparisons, limits_of(options), between=watch.look)
    publish(options, watch, ratios=turns.ratios, figures={...}, tables=[Table(...)])

A script prints tables; with --json {"ratios": {name: number}, "figures": {...}} alone, in which `figures` also has each
ratio's `intervals` and the `conditions`. --save puts all of it into benchmarks/results/<date>-<cpu>-<cores>-cores.json,
beside that day's other scripts and in place of what this script saved before. `benchmarks/performance_page.py` makes
docs/performance.md of these files, so what a table of a page says is said by the script that measured it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.conditions import Watch
from benchmarks.ratios import LEAST_FOR_AN_INTERVAL, Limits, Ratio

SCHEMA = 1
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers beside the ratios, for people; cells are shown as they are."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def parser_of(docstring: str | None, limits: Limits) -> argparse.ArgumentParser:
    """The options that all have, with the limits that this script takes where none are asked for."""
    parser = argparse.ArgumentParser(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(parser=parser, limits=limits)
    parser.add_argument("--json", action="store_true", help="print ratios and figures as JSON, and nothing else")
    parser.add_argument(
        "--save", nargs="?", type=folder, const=RESULTS, metavar="FOLDER", help="keep the results in benchmarks/results"
    )
    parser.add_argument("--quick", action="store_true", help="as few rounds as give an interval")
    parser.add_argument(
        "--width", type=positive, help=f"of each interval, as a fraction of its ratio (default {limits.width:g})"
    )
    parser.add_argument("--rounds", type=positive_int, help=f"at most (default {limits.most_rounds})")
    parser.add_argument(
        "--seconds", type=positive, help=f"at most for what is compared at once (default {limits.most_seconds:g})"
    )
    return parser


def limits_of(options: argparse.Namespace) -> Limits:
    """Those of the script, as far as the command line does not say otherwise."""
    given: Limits = options.limits
    most = options.rounds or (LEAST_FOR_AN_INTERVAL if options.quick else given.most_rounds)
    return replace(
        given,
        width=options.width or given.width,
        least_rounds=min(given.least_rounds, most),
        most_rounds=most,
        most_seconds=options.seconds or given.most_seconds,
    )


def positive(text: str) -> float:
    """What argparse makes a sentence of where it is not."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text}")
    return int(text)


def folder(text: str) -> Path:
    if Path(text).exists() and not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder, got the file {text}")
    return Path(text)


def publish(
    options: argparse.Namespace,
    watch: Watch,
    *,
    ratios: Mapping[str, Ratio],
    figures: Mapping[str, Any],
    tables: Sequence[Table] = (),
) -> None:
    """Prints what was asked for, and saves it where that was asked for."""
    part = part_of(options, ratios=ratios, figures=figures, tables=tables, conditions=watch.conditions())
    if options.save:
        print(f"saved: {save(part, script_name(), options.save)}", file=sys.stderr)
    if options.json:
        print(json.dumps(as_json(part)))
    else:
        print(as_text(part))


def script_name() -> str:
    return Path(sys.argv[0]).stem


def part_of(
    options: argparse.Namespace,
    *,
    ratios: Mapping[str, Ratio],
    figures: Mapping[str, Any],
    tables: Sequence[Table],
    conditions: Mapping[str, Any],
) -> dict[str, Any]:
    """A script's results as they are stored. Its title is the first paragraph of its docstring."""
    first_paragraph, *_ = (options.parser.description or "").strip().split("\n\n")
    named = {name: replace(ratio, what=ratio.what or name) for name, ratio in ratios.items()}
    return {
        "title": " ".join(first_paragraph.split()).removesuffix("."),
        "command": command_of(options),
        "conditions": dict(conditions),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "ratios": {name: rounded(ratio) for name, ratio in named.items()},
        "figures": dict(figures),
        "tables": [asdict(table) for table in tables],
    }


def command_of(options: argparse.Namespace) -> str:
    """How to measure the same again. Folders are those of one machine, and --json changes no number."""
    words = ["python", f"benchmarks/{script_name()}.py"]
    for name, value in vars(options).items():
        usual = value == options.parser.get_default(name) or isinstance(value, Path) or name == "json"
        if not usual:
            values = [] if value is True else value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return " ".join(words)


def rounded(ratio: Ratio) -> dict[str, Any]:
    """To what an interval of a percent can tell apart."""
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in asdict(ratio).items()}


def save(part: Mapping[str, Any], script: str, folder: Path) -> Path:
    """Into the file of today and of this CPU; what other scripts have put there stays."""
    about = part["conditions"]["machine"]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    path = folder / f"{date}-{slug(about)}.json"
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    content = {"schema": SCHEMA, "date": date, "machine": machine_name(about), **content}
    content["scripts"] = {**content.get("scripts", {}), script: dict(part)}
    folder.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def machine_name(about: Mapping[str, Any]) -> str:
    """ "AMD EPYC (family 26, model 2), 2 cores": what results are compared within."""
    return f"{about['cpu'] or about['architecture']}, {about['cores']} cores"


def slug(about: Mapping[str, Any]) -> str:
    return re.sub(r"[^a-z0-9]+", "-", machine_name(about).lower()).strip("-")


def as_json(part: Mapping[str, Any]) -> dict[str, Any]:
    ratios = {name: ratio["value"] for name, ratio in part["ratios"].items()}
    shared = {"intervals": part["ratios"], "conditions": part["conditions"]}
    return {"ratios": ratios, "figures": {**part["figures"], **shared}}


def as_text(part: Mapping[str, Any]) -> str:
    """The ratios, the tables, and last the conditions: what qualifies the numbers is nearest to the prompt."""
    blocks = [aligned(ratio_table(part["ratios"]))] if part["ratios"] else []
    blocks += [f"{table['title']}\n{aligned(Table(**table))}" for table in part["tables"]]
    return "\n\n".join([*blocks, conditions_sentence(part["conditions"])])


def conditions_sentence(conditions: Mapping[str, Any]) -> str:
    """What the machine was, and whether it was busy."""
    about = conditions["machine"]
    where = machine_name(about) + (f", virtual ({about['virtual_machine']})" if about["virtual_machine"] else "")
    state = f"BUSY: {conditions['busy']}" if conditions["busy"] else "otherwise idle"
    nice = f"; at nice {conditions['nice']}" if conditions["nice"] else ""
    return f"{where}; {state}{nice}; load {conditions['load_average_before']} before; {conditions['seconds']} s"


def ratio_table(ratios: Mapping[str, Mapping[str, Any]]) -> Table:
    """Value, interval and whether it is as narrow as was wanted; with the floors where any is promised."""
    floors = any(ratio["floor"] is not None for ratio in ratios.values())
    rows = []
    for stored in ratios.values():
        ratio = Ratio(**stored)
        interval = "" if ratio.low is None or ratio.high is None else f"{shown(ratio.low)} to {shown(ratio.high)}"
        trust = ratio.doubt or ("counted" if ratio.width is None else f"within {ratio.width:.1%}")
        most = ratio.value if ratio.width is None else ratio.high  # None: nobody knows
        missed = ratio.floor is not None and most is not None and most < ratio.floor
        floor = "" if ratio.floor is None else shown(ratio.floor) + ", MISSED" * missed
        rows.append([ratio.what, shown(ratio.value), interval, trust, *([floor] if floors else [])])
    head = ["what", "times", "95 % interval", "its width", *(["at least"] if floors else [])]
    return Table("", head, rows)


def shown(number: float) -> str:
    """Three digits or so: 1.02, 13.6, 120."""
    return f"{number:.2f}" if abs(number) < 10 else f"{number:.1f}" if abs(number) < 100 else f"{number:,.0f}"


def aligned(table: Table) -> str:
    """For a terminal."""
    rows = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
