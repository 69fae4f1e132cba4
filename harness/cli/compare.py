"""`bitlens compare`: what changed between runs, and gates for CI."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from harness.errors import BitlensError, ConfigError

if TYPE_CHECKING:
    from reports.comparing.gates import GateResult
    from reports.comparing.runs import Difference

Gates = Annotated[
    Optional[list[str]],
    typer.Option("--fail-if", help='Exit with 1 if true, e.g. "p50 > +5%", "top1 < -1%", "insertion_auc < -0.02".'),
]


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; the others are compared with the first.")],
    fail_if: Gates = None,
    everything: Annotated[bool, typer.Option("--all", help="Also show what did not change.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all differences and gates as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all differences as CSV.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print all differences as a table for a pull request.")
    ] = False,
) -> None:
    """Show what changed between runs, with intervals, and what cannot be compared and why.

    A gate fails when the whole interval lies beyond its limit, and when nothing can be said; docs/reading-a-report.md.
    """
    from harness.store.integrity import AGAIN
    from reports.comparing import gates
    from reports.comparing import runs as comparing
    from reports.comparing.listing import in_order
    from reports.errors import ReportError
    from reports.written import damaged

    if len(runs) < 2:
        raise ConfigError(f"compare: expected two or more runs, got {len(runs)}", hint="bitlens compare BEFORE AFTER")
    forms = [name for name, asked in (("--json", as_json), ("--csv", as_csv), ("--markdown", as_markdown)) if asked]
    if len(forms) > 1:
        raise ConfigError(f"compare: expected one form, got {' and '.join(forms)}", hint=f"{forms[0]} alone")
    try:
        wanted = [gates.parse_gate(text) for text in fail_if or ()]
        compared = comparing.compare(runs)
    except ReportError as error:
        raise ConfigError(error.problem, hint=error.hint) from error
    differences = in_order(compared.differences)
    results = gates.check_gates(wanted, differences)
    _print(differences, results, form=forms[0] if forms else "", against=runs[0].name, everything=everything)
    if compared.damage:
        raise BitlensError("\n".join(str(damaged(run, said, hint=AGAIN)) for run, said in compared.damage.items()))
    if any(result.breaks for result in results):
        raise typer.Exit(1)


def _print(
    differences: list[Difference], results: list[GateResult], *, form: str, against: str, everything: bool
) -> None:
    """The differences; gates are part of the JSON, and do not stand among the lines of a CSV."""
    from harness.cli.compare_text import differences_text
    from reports.comparing.gates import describe
    from reports.comparing.listing import gate_record, record
    from reports.comparing.markdown import differences_markdown
    from reports.data.files import csv_text

    if form == "--json":
        told = {"differences": list(map(record, differences)), "gates": list(map(gate_record, results))}
        print(json.dumps(told, indent=2))
        return
    if form == "--csv":
        import pandas as pd

        print(csv_text(pd.DataFrame([record(d) for d in differences])), end="")
    elif form == "--markdown":
        print(differences_markdown(differences), end="")
    else:
        print(differences_text(differences, against, everything=everything))
    for result in results:
        print(describe(result), file=sys.stderr if form == "--csv" else sys.stdout)
