"""The charts in a real browser: names, line, legends, words and numbers, and the picture without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.store import Store
from reports.sections.run_reader import read_run
from reports.sections.tradeoff import marks
from tests.reports.page.browser import Tab, needs_chromium, playwright

pytestmark = needs_chromium

PANEL = '[data-chart="tradeoff"][data-device="pi4"]'


@pytest.fixture(scope="module")
def pi4(twins_store: Store) -> list[dict[str, Any]]:
    return [mark for mark in marks(read_run(twins_store)) if mark["device"] == "pi4"]


@pytest.fixture(scope="module", params=[1400, 390])
def tab(browser: Any, report: str, request: pytest.FixtureRequest) -> Iterator[Tab]:
    tab = Tab(browser, report, viewport={"width": request.param, "height": 900})
    yield tab
    assert tab.complaints == []  # not even a warning
    tab.page.close()


def texts(tab: Tab, within: str) -> list[str]:
    return [text for text in tab.page.locator(f"{within} svg text").all_text_contents() if text]


def test_every_mark_is_named_and_no_name_covers_another(tab: Tab, pi4: list[dict[str, Any]]) -> None:
    assert {mark["name"] for mark in pi4} <= set(texts(tab, PANEL))
    names = [mark["name"] for mark in pi4]
    boxes = tab.page.eval_on_selector_all(
        f"{PANEL} svg text",
        "(all, names) => all.filter((t) => names.includes(t.textContent)).map((t) => t.getBoundingClientRect())"
        ".map((b) => [b.left, b.top + 2, b.right, b.bottom - 2])",
        names,
    )
    assert len(boxes) == len(names)
    for at, one in enumerate(boxes):
        for other in boxes[:at]:
            assert not (one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3])


def test_the_line_goes_through_what_is_worth_a_look(tab: Tab, pi4: list[dict[str, Any]]) -> None:
    path = tab.page.locator(f"{PANEL} svg .mark-line path").get_attribute("d")
    assert path
    assert path.count("L") + 1 == sum(mark["worth_a_look"] for mark in pi4) > 1
    bold = tab.page.locator(f'{PANEL} svg text[font-weight="bold"]').all_text_contents()
    assert set(bold) == {mark["name"] for mark in pi4 if mark["worth_a_look"]}


@pytest.mark.parametrize(
    ("chart", "legend"),
    [
        ("tradeoff", {"Family", "full-precision", "binarized", "Format", "fp32", "int8", "lce"}),
        ("latency_distribution", {"Family", "full-precision", "binarized"}),
        ("thread_scaling", {"Family", "Format", "fp32", "int8", "lce", "Model", "planted-float", "planted-binary"}),
        ("deployment_gap", {"Family", "full-precision"}),
    ],
)
def test_every_chart_has_its_legend(tab: Tab, chart: str, legend: set[str]) -> None:
    shown = texts(tab, f'[data-chart="{chart}"]')
    assert legend <= set(shown)


def test_the_third_axis_has_a_legend_of_scores_that_follows_the_choice(tab: Tab) -> None:
    first = tab.page.locator("#explanation option").first.inner_text()
    assert first.replace(" (", ", ").replace(")", "") in texts(tab, PANEL)
    marks = tab.page.locator(f"{PANEL} svg .role-mark path[fill-opacity]")
    fullness = [float(mark.get_attribute("fill-opacity") or 0) for mark in marks.all()]
    assert max(fullness) - min(fullness) > 0.5
    tab.page.select_option("#explanation", index=1)
    other = tab.page.locator("#explanation option").nth(1).inner_text()
    playwright.expect(tab.page.locator(f"{PANEL} svg text", has_text=other.split(" (")[0])).to_have_count(1)
    tab.page.select_option("#explanation", index=0)


def test_words_and_table_say_what_a_chart_shows_and_follow_the_filters(tab: Tab, pi4: list[dict[str, Any]]) -> None:
    described = tab.page.locator(PANEL).get_attribute("aria-describedby")
    words = tab.page.locator(f"#{described}")
    fastest = min(pi4, key=lambda mark: mark["x"])
    assert words.text_content().startswith("8 deployments.Median latency (ms): from ")
    assert f"({fastest['name']})" in words.text_content()
    details = tab.page.locator(f"#{described.removesuffix('-words')}")
    details.evaluate("(details) => { details.open = true; }")
    playwright.expect(details.locator("tbody tr")).to_have_count(8)
    chip = tab.page.locator('fieldset[data-filter="family"] label', has_text="binarized")
    chip.click()
    playwright.expect(details.locator("tbody tr")).to_have_count(4)
    assert words.text_content().startswith("4 deployments.")
    chip.click()
    playwright.expect(details.locator("tbody tr")).to_have_count(8)


def test_every_chart_is_described_with_its_numbers(tab: Tab) -> None:
    for chart in tab.page.locator("[data-chart]").all():
        assert chart.get_attribute("aria-label")
        described = tab.page.locator(f"#{chart.get_attribute('aria-describedby')}").text_content()
        assert any(letter.isdigit() for letter in described), chart.get_attribute("data-chart")


def test_the_page_is_not_wider_than_the_window(tab: Tab) -> None:
    width = tab.page.viewport_size["width"]
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_chart_takes_the_layout_of_its_new_width(browser: Any, report: str) -> None:
    tab = Tab(browser, report, viewport={"width": 1400, "height": 900})
    width = "document.querySelector('[data-chart=tradeoff] svg').viewBox.baseVal.width"
    wide = tab.page.evaluate(width)
    tab.page.set_viewport_size({"width": 390, "height": 900})
    tab.page.wait_for_function(f"{width} < {wide} / 1.5")
    assert tab.complaints == []
    tab.page.close()


def test_without_javascript_there_is_a_picture_and_a_notice(
    browser: Any, report: str, pi4: list[dict[str, Any]]
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(report)
    assert "Without JavaScript" in page.inner_text("body")
    picture = page.locator('[data-device="pi4"] svg')
    playwright.expect(picture).to_be_visible()
    assert {mark["name"] for mark in pi4} <= set(picture.locator("text").all_text_contents())
    page.close()
