"""One look for all charts, in its two uses: inside the page, and as files for papers."""

from __future__ import annotations

from typing import Any

from reports.drawing import figures
from reports.drawing.encodings import ANY, Chart, Look, Records

FONT = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif"
PAPER_SCALE = 2.0  # pixels per unit of a PNG


def page_charts(look: Look) -> dict[str, dict[str, Any]]:
    """Every chart without data in Vega's own words, as wide as its place and written in the page's own text colour.

    A page that had to translate them would take longer, and complain: Vega-Lite warns of steps whatever one asks for.
    """
    return {name: _for_page(name, make((), look)) for name, make in figures.CHARTS.items()}


def picture(name: str, records: Records, look: Look) -> str:
    """The chart as SVG for a page without JavaScript, in the page's own colours."""
    import vl_convert

    spec = figures.CHARTS[name](records, look).to_dict(validate=False)
    return str(vl_convert.vega_to_svg(_vega(name, spec | {"config": _config(ink="currentColor", quiet_opacity=0.8)})))


def svg(name: str, records: Records = (), look: Look = ANY) -> str:
    import vl_convert

    return str(vl_convert.vega_to_svg(_for_paper(name, records, look)))


def png(name: str, records: Records = (), look: Look = ANY) -> bytes:
    import vl_convert

    return bytes(vl_convert.vega_to_png(_for_paper(name, records, look), scale=PAPER_SCALE))


def library() -> str:
    """Vega and Vega-Embed as one script, so that the page asks no server for them."""
    import vl_convert

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script")


def _for_page(name: str, chart: Chart) -> dict[str, Any]:
    spec = chart.to_dict(validate=False) | {"config": _config(ink="currentColor", quiet_opacity=0.8)}
    if name not in figures.SCALED:
        spec |= {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    vega = _vega(name, spec)
    vega.pop("$schema")
    return vega


def _for_paper(name: str, records: Records, look: Look) -> dict[str, Any]:
    spec = figures.CHARTS[name](records, look).to_dict(validate=False)
    return _vega(name, spec | {"config": {**_config(ink="#222222", quiet_opacity=1.0), "background": "white"}})


def _vega(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    import vl_convert

    vega: dict[str, Any] = vl_convert.vegalite_to_vega(spec)
    for mark in vega["marks"]:
        mark["aria"] = False  # the page says what a chart shows; a name for each of its parts would be said besides
    return figures.FINISHED.get(name, lambda same: same)(vega)


def _config(*, ink: str, quiet_opacity: float) -> dict[str, Any]:
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "labelColor": ink, "titleColor": ink, "gridColor": ink, "domainColor": ink, "tickColor": ink,
            "gridOpacity": 0.12, "domainOpacity": 0.4, "tickOpacity": 0.4, "labelOpacity": quiet_opacity,
            "titleFontWeight": "normal", "titleFontSize": 12, "labelFontSize": 11, "tickSize": 4, "labelOverlap": True,
        },
        "legend": {
            "labelColor": ink, "titleColor": ink, "symbolFillColor": ink, "symbolStrokeColor": ink, "labelFontSize": 11,
            "titleFontSize": 11, "titleFontWeight": "normal", "titleOpacity": quiet_opacity, "titleLimit": 400,
            "orient": "bottom", "titleOrient": "left", "rowPadding": 3, "columnPadding": 14, "offset": 10,
            "symbolOpacity": 1, "symbolStrokeWidth": 1.5,
            "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 5}},
        },
        "rule": {"color": ink},
        "line": {"color": ink},
        "text": {"color": ink},
        "title": {"color": ink, "fontWeight": "normal", "anchor": "start"},
    }  # fmt: skip
