"""The enlarged map: by mouse and by keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.reports.page.browser import Tab, needs_chromium, playwright

pytestmark = needs_chromium

FOCUSED = "document.activeElement.dataset.image + ' ' + document.activeElement.dataset.column"


@pytest.fixture(scope="module")
def open_tab(browser: Any, report: str) -> Iterator[Tab]:
    tab = Tab(browser, report)
    yield tab
    assert tab.complaints == []
    tab.page.close()


@pytest.fixture
def page(open_tab: Tab) -> Iterator[Any]:
    """With the first map of gradient open."""
    page = open_tab.page
    page.select_option("#method", "gradient")
    while page.locator("#previous-images").is_enabled():
        page.click("#previous-images")
    page.locator("#grid tbody button").first.focus()
    page.keyboard.press("Enter")
    yield page
    page.keyboard.press("Escape")
    playwright.expect(page.locator("#enlarged")).not_to_be_visible()


def where(page: Any) -> str:
    return str(page.locator("#enlarged-where").inner_text())


def test_its_title_names_method_model_and_class(page: Any) -> None:
    assert page.locator("#enlarged-title").inner_text().startswith("gradient of planted-float, class “")
    assert where(page).startswith("Map 1 of 24: image 1 of 12 (")
    assert page.locator("#enlarged").get_attribute("aria-labelledby") == "enlarged-title"


def test_arrow_keys_go_from_map_to_map_and_stop_at_both_ends(page: Any) -> None:
    page.keyboard.press("ArrowLeft")
    assert where(page).startswith("Map 1 of 24")
    page.keyboard.press("ArrowRight")
    assert page.locator("#enlarged-title").inner_text().startswith("gradient of planted-binary")
    page.keyboard.press("ArrowRight")
    assert where(page).startswith("Map 3 of 24: image 2 of 12")
    page.keyboard.press("ArrowLeft")
    assert where(page).startswith("Map 2 of 24")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert where(page).startswith("Map 24 of 24: image 12 of 12")
    assert page.locator("#enlarged-next").get_attribute("aria-disabled") == "true"


def test_buttons_go_from_map_to_map_as_well(page: Any) -> None:
    page.click("#enlarged-next")
    assert where(page).startswith("Map 2 of 24")
    page.click("#enlarged-previous")
    assert where(page).startswith("Map 1 of 24")


def test_escape_returns_the_focus_to_the_map_that_was_shown_last(page: Any) -> None:
    first = page.evaluate("document.querySelector('#grid tbody button').dataset.image")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == f"{first} 1"


def test_a_map_of_another_page_of_images_turns_the_page(page: Any) -> None:
    for _ in range(17):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert page.evaluate(FOCUSED) == "test/000008 1"
    assert page.locator("#image-count").inner_text() == "images 9 to 12 of 12"


def test_the_focus_stays_inside(page: Any) -> None:
    visited = []
    for key in ["Tab"] * 8 + ["Shift+Tab"] * 8:
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.closest('dialog')?.id") == "enlarged"
        visited.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"enlarged-previous", "enlarged-next", "overlay", "Close"} == set(visited)


def test_the_map_lies_over_its_image_as_strong_as_one_wants(page: Any) -> None:
    over = page.locator("#opacity")
    assert over.is_disabled()
    page.locator("#overlay").focus()
    page.keyboard.press("Space")
    image, shown = (page.locator(id).bounding_box() for id in ("#enlarged-image", "#enlarged-map"))
    assert image == shown
    assert page.evaluate("getComputedStyle(document.getElementById('enlarged-map')).opacity") == "0.6"
    over.focus()
    page.keyboard.press("Home")  # of a slider: arrow keys are its own here
    page.keyboard.press("ArrowRight")
    assert page.evaluate("getComputedStyle(document.getElementById('enlarged-map')).opacity") == "0.01"
    assert where(page).startswith("Map 1 of 24")
    page.locator("#overlay").click()
    assert page.locator("#enlarged-image").bounding_box() != page.locator("#enlarged-map").bounding_box()
    page.evaluate("document.getElementById('opacity').value = 60")
