"""The key that somebody may have meant, and the table in which it stands."""

from __future__ import annotations

import difflib

from harness.errors import nearest
from harness.experiment.brackets import Place, place_at, places

Names = tuple[str, ...]
LIKELY = 0.75  # of two words' letters: nearer than what is taken within the same table
LEAST = 4  # letters of a word that says something by being part of another


def nearest_key(names: Names) -> str:
    """What to try in place of an unknown key: one of its own table, the same one of another, or all that there are.

    names  of the tables around the key, and its own: ("latency", "calibration_images").
    """
    *tables, name = names
    place = place_at(tuple(tables))
    known = list(place.table.model_fields) if place is not None else []
    here = _close(name, known)
    same = [other for other in places() if name in other.table.model_fields]
    if not tables and any(place_at((*other.path, name)) for other in same):
        return " or ".join(_said(name, other) for other in same)
    if here and place is not None:
        return _said(here, place, inside=True)
    if same:
        return " or ".join(_said(name, other) for other in same[:3])
    elsewhere = {key: other for other in reversed(places()) for key in other.table.model_fields}
    close = difflib.get_close_matches(name, elsewhere, n=1, cutoff=LIKELY)
    if close:
        return _said(close[0], elsewhere[close[0]])
    return nearest(name, known)


def plural_of(names: Names) -> str:
    """The list of names beside a table, such as `devices` beside [[device]]; "" where there is none."""
    top = place_at(())
    plural = f"{names[-1]}s"
    return plural if top is not None and len(names) == 1 and plural in top.table.model_fields else ""


def singular_of(names: Names) -> Place | None:
    """The table beside a list of names, such as [[device]] beside `devices`."""
    return place_at((names[0].removesuffix("s"),)) if len(names) == 1 and names[0].endswith("s") else None


def _close(name: str, known: list[str]) -> str:
    """The nearest of these names, or the one of which it is a part; "" for none."""
    near = difflib.get_close_matches(name, known, n=1)
    parts = [key for key in known if min(len(key), len(name)) >= LEAST and (name in key or key in name)]
    return [*near, *parts, ""][0]


def _said(key: str, place: Place, *, inside: bool = False) -> str:
    """The key with its table; `inside` a table, its own keys go without."""
    table = place_at((*place.path, key))
    if table is not None:
        return table.heading
    if inside:
        return f'"{key}"'
    return f'"{key}" in {place.heading}' if place.path else f'"{key}" before the first [table]'
