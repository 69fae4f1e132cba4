"""One look for all charts, in its two uses: inside the page, and as files for papers."""

from __future__ import annotations

from typing import Any

from reports.drawing import figures

FONT = "system-ui, -apple-system, Segoe UI, Roboto, DejaVu Sans, sans-serif"
PAPER_SCALE = 2.0  # pixels per unit of a PNG


def page_charts() -> dict[str, dict[str, Any]]:
    """Every chart without data, as wide as its place and written in the page's own text colour."""
    return {name: _for_page(make()) for name, make in figures.CHARTS.items()}


def svg(chart: figures.Chart) -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(_for_paper(chart)))


def png(chart: figures.Chart) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(_for_paper(chart), scale=PAPER_SCALE))


def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, so that the page asks no server for them."""
    import vl_convert

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return script.replace("</script", "<\\/script")


def _for_page(chart: figures.Chart) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict(validate=False)
    spec.pop("$schema", None)
    spec["config"] = _config(ink="currentColor", quiet_opacity=0.8)
    return spec | {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}


def _for_paper(chart: figures.Chart) -> dict[str, Any]:
    """The chart with a white ground and legends, which the page has beside its charts instead."""
    spec: dict[str, Any] = _with_legends(chart.to_dict(validate=False))
    return spec | {"config": {**_config(ink="#222222", quiet_opacity=1.0), "background": "white"}}


def _with_legends(part: Any) -> Any:
    if isinstance(part, list):
        return [_with_legends(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    shown = part.get("field") in ("family", "format")
    return {name: _with_legends(inner) for name, inner in part.items() if not (shown and name == "legend")}


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
        "legend": {"labelColor": ink, "titleColor": ink, "orient": "bottom", "labelFontSize": 11},
        "rule": {"color": ink},
        "title": {"color": ink, "fontWeight": "normal", "anchor": "start"},
    }  # fmt: skip
