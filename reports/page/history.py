"""The runs of one experiment over time: a line for each, with its verdict and the numbers of the main deployments.

Those are the ones that the latest run finds worth considering.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from harness.store import StoreReader
from reports.data import formatting
from reports.sections.compromise import Row
from reports.sections.recommendation import recommend
from reports.sections.row_names import threads_text
from reports.sections.run_reader import read_run

MOST_DEPLOYMENTS = 6
NOT_KNOWN = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the history says of one run.

    finished     when its last unit was done, ISO 8601 in UTC; "" where none was.
    version      of bitlens.
    verdicts     a sentence for each device.
    numbers      p50 and top-1 of every deployment, by its name.
    recommended  the names of those that are worth considering.
    """

    finished: str = ""
    version: str = ""
    verdicts: tuple[str, ...] = ()
    numbers: Mapping[str, str]
    recommended: tuple[str, ...] = ()


def past_of(store: StoreReader) -> Past:
    run, between = read_run(store), store.done_between()
    verdicts = recommend(run)
    return Past(
        finished=between[1] if between else "",
        version=store.meta("bitlens") or "",
        verdicts=tuple(f"{each.device}: {each.summary}" for each in verdicts),
        numbers={_name(row): _numbers(row) for row in run.rows if row["device"]},
        recommended=tuple(
            f"{choice.model} {choice.deployment} on {each.device}" for each in verdicts for choice in each.choices
        ),
    )


def _name(row: Row) -> str:
    return f"{row['model']} {row['format']}{threads_text(row['num_threads'])}, {row['runtime']} on {row['device']}"


def _numbers(row: Row) -> str:
    latency = row["p50_text"] if row["p50_ms"] is not None else ""
    accuracy = f"{formatting.percent(row['top1'])} %" if row["top1"] is not None else ""
    return ", ".join(filter(None, [latency, accuracy])) or NOT_KNOWN


def history_page(title: str, runs: Sequence[tuple[str, str, Past]]) -> str:
    """`runs` are links, names and what is known of each, the latest first. All text is escaped."""
    shown = [name for _, _, past in runs[:1] for name in past.recommended][:MOST_DEPLOYMENTS]
    head = _cells("th", ["Run", "Finished (UTC)", "bitlens", "Verdict", *map(_escaped, shown)])
    lines = "".join(f"<tr>{_cells('td', _line(link, name, past, shown))}</tr>" for link, name, past in runs)
    return _PAGE.format(title=_escaped(title), head=head, lines=lines)


def _line(link: str, name: str, past: Past, shown: Sequence[str]) -> list[str]:
    return [
        f'<a href="{_escaped(link)}">{_escaped(name)}</a>',
        _escaped(past.finished[:16].replace("T", " ")) or NOT_KNOWN,
        _escaped(past.version) or NOT_KNOWN,
        "<br>".join(map(_escaped, past.verdicts)) or NOT_KNOWN,
        *(_escaped(past.numbers.get(deployment, NOT_KNOWN)) for deployment in shown),
    ]


def _cells(tag: str, contents: Sequence[str]) -> str:
    return "".join(f"<{tag}>{content}</{tag}>" for content in contents)


def _escaped(text: str) -> str:
    return escape(text.encode(errors="replace").decode())


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{title}: history</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.6 system-ui, sans-serif; margin: 40px auto; padding: 0 20px; max-width: 1400px; }}
div {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-size: 14px; }}
th, td {{ text-align: left; vertical-align: top; padding: 8px 16px 8px 0; border-top: 1px solid #8884; }}
td:nth-child(4) {{ min-width: 260px; }} th {{ min-width: 90px; }}
a {{ color: LinkText; font-weight: 600; }}
</style></head>
<body><p><a href="/">All runs</a></p><h1>{title}</h1>
<p>The latest run first, with the median latency and the top-1 accuracy of what it finds worth considering.</p>
<div role="region" aria-label="Runs" tabindex="0">
<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>
</body></html>
"""
