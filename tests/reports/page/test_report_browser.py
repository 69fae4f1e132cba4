"""The page in a real browser: Debian's Chromium, driven by Playwright from PyPI. Skips aloud where either is absent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.page.serve import RunsServer
from reports.write import write_report
from tests.reports.example_runs import large_run
from tests.reports.page.browser import Tab, needs_chromium, playwright
from tests.reports.synthetic_runs import METHODS, TWINS, RunBuilder, model

pytestmark = needs_chromium


@pytest.fixture
def tab(browser: Any, report: str) -> Iterator[Tab]:
    tab = Tab(browser, report)
    yield tab
    assert tab.complaints == []
    assert [url for url in tab.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    tab.page.close()


def visible_rows(page: Any) -> list[str]:
    return [
        line.split("\n")[0].split("\t")[0]
        for line in page.locator("#comparison-table tbody tr:visible").all_inner_texts()
    ]


def column(page: Any, key: str) -> list[str]:
    cells = page.locator(f'#comparison-table tbody tr:visible > [data-column="{key}"]').all_inner_texts()
    return [cell.split("\n")[0].strip() for cell in cells]


def test_every_chart_is_drawn(tab: Tab) -> None:
    charts = tab.page.locator("[data-chart]")
    assert charts.count() >= 6
    for i in range(charts.count()):
        assert charts.nth(i).locator("svg").count() == 1
    assert tab.page.locator(MARKS).count() == 8


MARKS = '[data-chart="tradeoff"][data-device="pi4"] svg .mark-symbol.role-mark path[fill-opacity]'


def test_filters_act_on_table_and_charts_alike(tab: Tab) -> None:
    before = tab.page.locator("#comparison-table tbody tr:visible").count()
    tab.page.locator('fieldset[data-filter="family"] label', has_text="binarized").click()
    assert 0 < tab.page.locator("#comparison-table tbody tr:visible").count() < before
    assert not any("binary" in name for name in visible_rows(tab.page))
    marks = tab.page.locator(MARKS)
    playwright.expect(marks).to_have_count(4)
    assert tab.page.locator("#row-count").inner_text() == "11 of 23 rows"


def test_search_finds_a_reason(tab: Tab) -> None:
    tab.page.fill("#search", "temperature rose")
    assert tab.page.locator("#comparison-table tbody tr:visible").count() == 2


def test_sorting_is_numeric_both_ways_and_unknown_is_last(tab: Tab) -> None:
    heading = tab.page.locator('th[data-key="latency_p90_ns"]')
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    keys = tab.page.evaluate(SORTED_P90)
    known = [value for value in keys if value is not None]
    assert known == sorted(known)
    assert keys == known + [None] * (len(keys) - len(known))
    heading.locator("button").press("Enter")  # by keyboard as well
    keys = tab.page.evaluate(SORTED_P90)
    assert [v for v in keys if v is not None] == known[::-1]
    assert keys[-1] is None


SORTED_P90 = """() => {
  const rows = JSON.parse(document.getElementById("data").textContent).rows;
  const lines = [...document.querySelectorAll("#comparison-table tbody tr")];
  return lines.map((line) => rows[line.dataset.row].latency_p90_ns);
}"""


def test_a_mark_has_a_tooltip(tab: Tab) -> None:
    tab.page.locator(MARKS).first.hover()
    tooltip = tab.page.locator("#vg-tooltip-element")
    playwright.expect(tooltip).to_be_visible()
    assert "planted" in tooltip.inner_text()
    assert "top-1" in tooltip.inner_text()


def test_a_map_is_enlarged_by_mouse_and_keyboard_with_its_scores(tab: Tab) -> None:
    tab.page.locator("#grid tbody button").first.click()
    dialog = tab.page.locator("#enlarged")
    playwright.expect(dialog).to_be_visible()
    assert "insertion_auc" in dialog.inner_text()
    tab.page.keyboard.press("Escape")
    playwright.expect(dialog).not_to_be_visible()
    tab.page.locator("#grid tbody button").nth(1).focus()
    tab.page.keyboard.press("Enter")
    assert "pseudo-gradient" in dialog.inner_text()
    tab.page.get_by_role("button", name="Close").click()
    playwright.expect(dialog).not_to_be_visible()


def test_grids_turn_pages_and_change_method_and_scale(tab: Tab) -> None:
    page = tab.page
    page.select_option("#method", "gradcam")
    assert page.locator("#grid tbody tr").count() == 8
    assert page.locator("#grid tbody tr").first.locator("td").count() == 2
    page.click("#next-images")
    assert page.locator("#grid tbody tr").count() == 4
    assert page.locator("#next-images").is_disabled()
    page.select_option("#scale", "shared")
    strengths = page.evaluate(
        "[...document.querySelectorAll('#grid img.map')].map((i) => +i.style.getPropertyValue('--strength'))"
    )
    assert max(strengths) <= 1
    assert min(strengths) < 1


def test_the_explanation_score_can_be_chosen(tab: Tab) -> None:
    before = column(tab.page, "quality")
    tab.page.select_option("#explanation", index=5)
    assert column(tab.page, "quality") != before


def test_every_image_and_control_has_an_accessible_name(tab: Tab) -> None:
    unnamed = tab.page.evaluate("""() => [
      ...[...document.querySelectorAll("img")].filter((i) => !i.closest("dialog") && !i.alt),
      ...[...document.querySelectorAll("select, input")].filter((c) => !c.closest("label")),
      ...[...document.querySelectorAll("button")].filter((b) => !b.textContent.trim() && !b.querySelector("img[alt]")),
    ].map((node) => node.outerHTML.slice(0, 100))""")
    assert unnamed == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_is_readable(browser: Any, report: str, scheme: str) -> None:
    tab = Tab(browser, report, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.page.evaluate(LOWEST_CONTRAST) >= 4.5  # WCAG AA for text
    tab.page.close()


LOWEST_CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const contrast = (node) => {
    const [a, b] = [parse(getComputedStyle(node).color), ground(node)].map(luminance).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const texts = document.querySelectorAll("p, th, td, small, li, .pill, .facts span, figcaption, a");
  return Math.min(...[...texts].map(contrast));
}"""


def test_names_that_look_like_code_run_nothing(browser: Any, tmp_path: Path) -> None:
    names = [
        "<script>document.title='owned'</script>",
        "<img src=x onerror=document.title='owned'>",
        "{{ 7 * 7 }}",
        "я" * 200,
    ]
    run = RunBuilder(tmp_path)
    images, shown = run.images(purpose="accuracy"), run.images()
    for name in names:
        record = model(name, "binarized")
        conversion = run.conversion(record, "fp32")
        run.accuracy(record, "fp32", images, top1=0.9, conversion=conversion)
        run.latency(record, "fp32", conversion)
        run.quality(run.saliency(record, METHODS[0], shown), shown, "insertion_auc", mean=0.6)
    page = write_report(run.build(experiment_name=names[0])).page
    tab = Tab(browser, page.as_uri(), viewport={"width": 360, "height": 740})
    assert tab.complaints == []
    assert tab.page.title() == f"{names[0]} · bitlens"
    assert names[1] in tab.page.locator("#comparison-table").inner_text()
    tab.page.locator("#grid tbody button").first.click()
    assert names[0] in tab.page.locator("#enlarged").inner_text()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    tab.page.close()


@pytest.mark.parametrize("what", ["empty", "failed", "half"])
def test_unfinished_runs_open_without_an_error(browser: Any, tmp_path: Path, what: str) -> None:
    run = RunBuilder(tmp_path)
    if what != "empty":
        conversion = run.conversion(TWINS[0], "fp32", reason="no" if what == "failed" else "")
        run.latency(TWINS[0], "fp32", conversion, outcome="planned")
    page = write_report(run.build()).page
    tab = Tab(browser, page.as_uri())
    assert tab.complaints == []
    tab.page.close()


def test_a_served_run_reports_new_results(browser: Any, tmp_path: Path) -> None:
    run = RunBuilder(tmp_path / "mine")
    conversion = run.conversion(TWINS[0], "fp32")
    run.latency(TWINS[0], "fp32", conversion, outcome="planned")
    run.build()
    with RunsServer(tmp_path) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            page = browser.new_page()
            page.goto(server.address)
            # No answer to its first questions: results may well arrive before the page has asked once.
            page.route("**/version", lambda route: route.abort())
            page.click("text=mine")
            page.wait_for_selector("html[data-complete]", state="attached")
            assert "This run is not finished" in page.inner_text("main")
            again = RunBuilder(tmp_path / "mine")
            again.planned = run.planned
            again.latency(TWINS[0], "fp32", conversion)
            again.build()
            page.unroute("**/version")
            page.click("#reload", timeout=20_000)
            page.wait_for_selector("html[data-complete]", state="attached")
            assert "This run is not finished" not in page.inner_text("main")
            page.close()
        finally:
            server.stop()
            thread.join()


@pytest.mark.slow
def test_a_large_run_stays_within_15_mb_and_is_soon_interactive(browser: Any, tmp_path: Path) -> None:
    """10 models × 6 formats × 3 devices × 100 images. The time is printed, not judged: other work may run."""
    page = write_report(large_run(tmp_path)).page
    assert page.stat().st_size <= 15_000_000
    tab = browser.new_page()
    tab.goto(page.as_uri())
    tab.wait_for_selector("html[data-ready]", state="attached")
    seconds = tab.evaluate("performance.now()") / 1000
    print(f"{page.stat().st_size / 1e6:.1f} MB, interactive after {seconds:.2f} s")
    assert tab.locator("#comparison-table tbody tr").count() == 10 * (1 + 6 * 3)
    assert "100 of 100 images" in tab.locator("#maps").inner_text()
    tab.close()
