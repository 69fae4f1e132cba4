"""What stands at the top of the page: when it was measured."""

from __future__ import annotations

from datetime import datetime

from reports.data.view import RunView


def when(view: RunView) -> str:
    """The minutes in which the first and last result of this run was finished, in UTC; "" where there is none."""
    between = view.store.done_between()
    if between is None:
        return ""
    return period(*map(datetime.fromisoformat, between))


def period(first: datetime, last: datetime) -> str:
    """Both ends of a time in UTC, to the minute, each part said once."""
    begin, end = (f"{time:%Y-%m-%d %H:%M}" for time in (first, last))
    if begin == end:
        return f"{begin} UTC"
    return f"{begin} to {f'{last:%H:%M}' if first.date() == last.date() else end} UTC"
