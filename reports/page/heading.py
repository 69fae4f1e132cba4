"""What stands at the top of the page: when it was measured."""

from __future__ import annotations

from datetime import datetime

from reports.data.view import RunView


def when(view: RunView) -> str:
    """The first and last minute in which something of this run was finished, in UTC; "" where nothing was."""
    between = view.store.done_between()
    if between is None:
        return ""
    first, last = map(datetime.fromisoformat, between)
    return f"{first:%Y-%m-%d %H:%M} to {last:{'' if first.date() == last.date() else '%Y-%m-%d '}%H:%M} UTC"
