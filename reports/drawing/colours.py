"""The two colour maps of saliency maps: one from nothing to strongest, one from against to for."""

from __future__ import annotations

from functools import cache

SEQUENTIAL, DIVERGING = "inferno", "RdBu_r"  # matplotlib's names; both keep their order without colour vision
STOPS = 17


@cache
def colour_tables() -> dict[str, dict[str, str]]:
    """Per map and channel, the values 0 to 1 at evenly spaced stops, as an SVG transfer function wants them."""
    return {
        name: {channel: " ".join(f"{stop[i]:.3f}" for stop in _stops(map_name)) for i, channel in enumerate("rgb")}
        for name, map_name in (("sequential", SEQUENTIAL), ("diverging", DIVERGING))
    }


@cache
def css_gradients() -> dict[str, str]:
    """The same stops as the colours of a CSS gradient, for the scale bars."""
    return {
        name: ",".join("rgb({:.0f} {:.0f} {:.0f})".format(*(255 * part for part in stop)) for stop in _stops(map_name))
        for name, map_name in (("sequential", SEQUENTIAL), ("diverging", DIVERGING))
    }


def _stops(map_name: str) -> list[tuple[float, ...]]:
    from matplotlib import colormaps  # half a second, and only pages need it

    return [colormaps[map_name](i / (STOPS - 1))[:3] for i in range(STOPS)]
