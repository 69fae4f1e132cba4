"""Where things are on the page, in a real browser: by their boxes, which other fonts and machines do not change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.write import write_report
from tests.reports.page.screenshots import CHROMIUM, LETTER_LANDSCAPE, SIZES, chromium, opened, take
from tests.reports.synthetic_runs import BOARD, METHODS, TWINS, RunBuilder, model

pytest.importorskip("playwright.sync_api", reason="needs playwright from PyPI")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(twins_folder: Path) -> Path:
    return write_report(twins_folder).page


@pytest.fixture(scope="module")
def tabs(browser: Any, report: Path) -> Iterator[dict[str, Any]]:
    """The report at every size; tests that change something of it put it back."""
    tabs = {size: opened(browser, report, size) for size in SIZES}
    yield tabs
    for tab in tabs.values():
        tab.close()


@pytest.fixture
def desktop(tabs: dict[str, Any]) -> Any:
    return tabs["desktop"]


@pytest.fixture
def phone(tabs: dict[str, Any]) -> Any:
    return tabs["phone"]


def boxes(page: Any, selector: str) -> list[dict[str, float]]:
    """The boxes of what is visible, relative to the page."""
    found: list[dict[str, float]] = page.evaluate(BOXES, selector)
    return found


BOXES = """(selector) => [...document.querySelectorAll(selector)].filter((node) => node.checkVisibility())
  .map((node) => node.getBoundingClientRect())
  .map((box) => ({ left: box.left, right: box.right, top: box.top + scrollY, bottom: box.bottom + scrollY }))"""
CHOOSE_ALL = "document.querySelectorAll('#columns input:not(:checked)').forEach((box) => box.click())"
AS_AT_FIRST = """document.querySelectorAll('#columns input').forEach((box) => {
  if (box.checked !== box.defaultChecked) box.click();
})"""
FIRST = ".recommendations .card:first-child"
TEXTS = "#comparison-table tbody tr:not([hidden]) :is(th, td)"


# ------------------------------------------------------------------------------------------------ the first screen
@pytest.mark.parametrize("size", SIZES)
def test_the_first_screen_says_what_to_deploy_and_how_sure_that_is(tabs: dict[str, Any], size: str) -> None:
    height = SIZES[size][1]
    for what in (
        "h1",
        ".facts",
        f"{FIRST} h3 small",  # the machine
        f"{FIRST} .summary",
        f"{FIRST} .choices li:first-child .figures dd",
        f"{FIRST} .choices li:first-child .figures small",  # the intervals
        f"{FIRST} .choices li:first-child .pill",
    ):
        found = boxes(tabs[size], what)
        assert found, what
        assert found[0]["bottom"] <= height, what


@pytest.mark.parametrize("size", SIZES)
def test_the_page_never_scrolls_sideways(tabs: dict[str, Any], size: str) -> None:
    assert tabs[size].evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]


# ------------------------------------------------------------------------------------------------ the table
def test_the_table_fits_a_desktop_and_begins_with_what_is_recommended(desktop: Any) -> None:
    [place], [table] = boxes(desktop, "#deployments"), boxes(desktop, "#comparison-table")
    assert table["right"] <= place["right"]
    stars = desktop.evaluate(
        "[...document.querySelectorAll('#comparison-table tbody tr')].map((row) => !!row.querySelector('.star'))"
    )
    first = stars.index(False)
    assert first == 3
    assert not any(stars[first:8])  # of the first device; the next one begins again


def test_a_chosen_column_appears_and_a_table_that_no_longer_fits_says_so(desktop: Any) -> None:
    place = desktop.locator("#deployments")
    assert place.get_attribute("data-overflow") is None
    assert not desktop.locator('th[data-key="top5"]').is_visible()
    desktop.click(".columns summary")
    desktop.evaluate(CHOOSE_ALL)
    assert desktop.locator('th[data-key="top5"]').is_visible()
    desktop.wait_for_selector("#deployments[data-overflow]")
    [head, *_] = boxes(desktop, '#comparison-table tbody th[scope="row"]')
    place.evaluate("(node) => node.scrollTo(200, 0)")
    assert boxes(desktop, '#comparison-table tbody th[scope="row"]')[0]["left"] == head["left"]  # it sticks
    place.evaluate("(node) => node.scrollTo(0, 0)")
    desktop.evaluate(AS_AT_FIRST)


def test_a_third_press_on_a_heading_brings_back_the_first_order(desktop: Any) -> None:
    order = "[...document.querySelectorAll('#comparison-table tbody tr')].map((row) => row.dataset.row)"
    before = desktop.evaluate(order)
    heading = desktop.locator('th[data-key="latency_p50_ns"]')
    for sort in ("ascending", "descending", None):
        heading.locator("button").click()
        assert heading.get_attribute("aria-sort") == sort
        assert (desktop.evaluate(order) == before) == (sort is None)


def test_a_phone_shows_every_row_as_a_card_with_its_numbers(phone: Any) -> None:
    cards = boxes(phone, "#comparison-table tbody tr")
    assert len(cards) == 23
    assert all(card["left"] >= 0 and card["right"] <= 390 for card in cards)
    assert all(below["top"] >= above["bottom"] for above, below in zip(cards, cards[1:]))
    cells = boxes(phone, TEXTS)
    assert all(cell["left"] >= 0 and cell["right"] <= 390 for cell in cells)
    first = phone.locator("#comparison-table tbody tr").first
    assert "Median latency, ms" in first.locator('[data-column="latency_p50_ns"]').evaluate(
        "(cell) => getComputedStyle(cell, '::before').content"
    )
    assert first.locator('[data-column="latency_p50_ns"]').is_visible()


def test_a_card_shows_its_details_when_asked(phone: Any) -> None:
    first = phone.locator("#comparison-table tbody tr").first
    memory, more = first.locator('[data-column="peak_rss_bytes"]'), first.locator("button.more")
    assert not memory.is_visible()
    more.click()
    assert memory.is_visible()
    assert more.get_attribute("aria-expanded") == "true"
    more.press("Enter")
    assert not memory.is_visible()


def test_cards_are_sorted_as_headings_sort_a_table(phone: Any) -> None:
    phone.select_option("#sort", "flatbuffer_bytes")
    assert "lce" in phone.locator("#comparison-table tbody tr").first.inner_text()
    phone.select_option("#sort", "")


# ------------------------------------------------------------------------------------------------ on paper
@pytest.fixture
def paper(desktop: Any) -> Iterator[Any]:
    """The page as it is printed, between the margins of a sheet, with every column chosen."""
    desktop.evaluate(CHOOSE_ALL)
    desktop.set_viewport_size({"width": LETTER_LANDSCAPE, "height": 700})
    desktop.emulate_media(media="print")
    yield desktop
    desktop.emulate_media(media="screen")
    desktop.set_viewport_size(dict(zip(("width", "height"), SIZES["desktop"])))
    desktop.evaluate(AS_AT_FIRST)


def test_paper_has_every_chosen_column_and_no_chart_is_cut(paper: Any) -> None:
    assert all(box["right"] <= LETTER_LANDSCAPE for box in boxes(paper, TEXTS))
    chosen = paper.evaluate("document.querySelectorAll('#columns input:checked').length")
    assert chosen >= 15
    assert len(boxes(paper, "#comparison-table tbody tr:first-child td")) == chosen
    heading = paper.locator('th[data-key="top5"]')
    assert heading.evaluate("(th) => getComputedStyle(th, '::before').content") == '"Top-5"'
    charts = boxes(paper, ".chart svg")
    assert len(charts) >= 6
    assert all(chart["right"] <= LETTER_LANDSCAPE for chart in charts)


def test_on_paper_values_are_at_least_as_large_as_their_intervals(paper: Any) -> None:
    sizes = paper.evaluate("""() => [...document.querySelectorAll("td small")].map((small) =>
      [parseFloat(getComputedStyle(small.parentElement).fontSize), parseFloat(getComputedStyle(small).fontSize)])""")
    assert sizes
    assert all(value > interval for value, interval in sizes)


def test_what_can_be_pressed_is_not_on_paper_but_maps_are(paper: Any) -> None:
    assert boxes(paper, ".controls, nav, #comparison-table button") == []
    assert len(boxes(paper, "#grid img.map")) > 10


def test_charts_are_drawn_again_at_the_width_of_a_sheet(desktop: Any) -> None:
    """Scaling down a chart as wide as a window would make its letters unreadable."""
    width = "document.querySelector('[data-chart=latency_distribution] svg').getBoundingClientRect().width"
    before = desktop.evaluate(width)
    desktop.evaluate("dispatchEvent(new Event('beforeprint'))")
    desktop.wait_for_function(f"{width} <= 700")
    desktop.evaluate("dispatchEvent(new Event('afterprint'))")
    desktop.wait_for_function(f"{width} === {before}")


# ------------------------------------------------------------------------------------------------ other runs
def test_a_run_of_latencies_alone_has_no_empty_column_or_section(browser: Any, tmp_path: Path) -> None:
    run = RunBuilder(tmp_path)
    for name in ("small", "large"):
        record = model(name, "full-precision", weights="random")
        conversion = run.conversion(record, "fp32")
        run.latency(record, "fp32", conversion, device=BOARD, p50_ms=len(name))
    page = opened(browser, write_report(run.build()).page, "desktop")
    assert page.locator("#explanations, #maps").count() == 0
    headings = page.locator("#comparison-table thead th:visible").all_inner_texts()
    assert [heading.split()[0] for heading in headings] == ["Model", "Median", "p90", "p99", "Size", "Memory"]
    common = page.locator(".common").inner_text()
    assert all(word in common for word in ("fp32", "pi4", "tflite-runtime", "valid"))
    page.close()


def test_a_phone_shows_the_verdict_and_two_choices_of_a_finished_run_without_scrolling(
    browser: Any, tmp_path: Path
) -> None:
    run = RunBuilder(tmp_path)
    images, shown = run.images(purpose="accuracy"), run.images()
    float_twin, binary_twin = TWINS
    for record, format, ms, top1 in (
        (binary_twin, "lce", 0.2, 0.90),
        (float_twin, "int8", 0.4, 0.97),
        (float_twin, "fp32", 1.2, 0.99),
        (binary_twin, "fp32", 1.3, 0.90),
    ):
        conversion = run.conversion(record, format)
        run.accuracy(record, format, images, top1=top1, conversion=conversion, device=BOARD)
        for threads, verdict in ((1, "suspect"), (2, "invalid")):
            reason = f"other load: other processes kept {threads}.0 of 2 CPUs busy"
            run.latency(
                record, format, conversion, device=BOARD, p50_ms=ms, threads=threads,
                verdict=verdict, verdict_reason=reason,
            )  # fmt: skip
    for record in TWINS:
        run.quality(run.saliency(record, METHODS[0], shown), shown, "insertion_auc", mean=0.5)
    page = opened(browser, write_report(run.build()).page, "phone")
    for what in (".summary", ".choices li:nth-child(2) .figures", ".choices li:nth-child(2) .pill.suspect"):
        [found, *_] = boxes(page, f"{FIRST} {what}")
        assert found["bottom"] <= SIZES["phone"][1], what
    assert boxes(page, f"{FIRST} .remarks li")[0]["top"] > boxes(page, f"{FIRST} .choices")[0]["top"]
    page.close()


def test_without_scripts_the_table_is_there_and_what_needs_them_is_not(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator("#comparison-table tbody tr").count() == 23
    first = page.locator("#comparison-table tbody tr").first
    assert first.locator('[data-column="quality"]').inner_text().startswith("0.")
    assert first.locator('[data-column="peak_rss_bytes"]').is_visible()
    assert not page.locator("#search").is_visible()
    context.close()


@pytest.mark.slow
def test_pictures_are_taken_at_every_size_and_on_paper(browser: Any, report: Path, tmp_path: Path) -> None:
    from PIL import Image

    *pictures, paper = take(browser, report, tmp_path)
    assert len(pictures) == 2 * 2 * len(SIZES)
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width == SIZES[path.name.split("-")[0]][0]
    assert paper.read_bytes().startswith(b"%PDF")
