"""What axe-core, the engine of most checkers of accessibility, finds on the pages: nothing serious, light and dark."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.page.serve import RunsServer
from reports.write import write_report
from tests.reports.page.browser import Tab, needs_chromium
from tests.reports.recorded_results import RECORDED
from tests.reports.synthetic_runs import RunBuilder, model

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python from PyPI")
pytestmark = needs_chromium

GRAVE = ("serious", "critical")
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
PHONE = {"width": 390, "height": 844}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.fixture(scope="module")
def addresses(report: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Pages of: several devices, a run that really ran, latencies alone and live; and the list of runs."""
    runs = tmp_path_factory.mktemp("runs")
    recorded = Path(shutil.copytree(RECORDED / "schema2", runs / "recorded"))
    _latencies_alone(runs / "latencies")
    with RunsServer(runs) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield {
                "several devices": report,
                "recorded": write_report(recorded).page.as_uri(),
                "latencies alone, live": server.address.replace("/?", "/run/latencies/?"),
                "list of runs": server.address,
            }
        finally:
            server.stop()
            thread.join()


def _latencies_alone(folder: Path) -> Path:
    run = RunBuilder(folder)
    random = model("random", "full-precision", weights="random")
    for format in ("fp32", "int8"):
        conversion = run.conversion(random, format)
        for threads in (1, 2):
            run.latency(random, format, conversion, p50_ms=6 / threads, threads=threads)
    return run.build(experiment_name="latencies alone")


@pytest.mark.parametrize("what", ["several devices", "recorded", "latencies alone, live", "list of runs"])
def test_axe_finds_nothing_serious(browser: Any, addresses: dict[str, str], what: str) -> None:
    if what == "list of runs":
        page = browser.new_page()
        page.goto(addresses[what])
    else:
        tab = Tab(browser, addresses[what])
        page = tab.page
        assert tab.complaints == []
    page.evaluate(OPEN_ALL)
    assert _grave(page) == []
    page.emulate_media(color_scheme="dark")
    assert _grave(page, CONTRAST) == []
    page.set_viewport_size(PHONE)
    assert _grave(page) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_enlarged_view(browser: Any, addresses: dict[str, str], scheme: str) -> None:
    tab = Tab(browser, addresses["several devices"], color_scheme=scheme)
    tab.page.locator("#grid tbody button").first.click()
    tab.page.locator("#overlay").check()
    assert _grave(tab.page, context="#enlarged") == []
    tab.page.close()


def test_headings_are_in_order_and_landmarks_are_there(browser: Any, addresses: dict[str, str]) -> None:
    page = Tab(browser, addresses["recorded"]).page
    assert page.locator("html").get_attribute("lang") == "en"
    levels = page.eval_on_selector_all("h1, h2, h3, h4", "(all) => all.map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    for landmark in ("header", "nav[aria-label]", "main", "footer"):
        assert page.locator(f"body > {landmark}").count() == 1
    page.close()


def test_who_wants_less_motion_gets_none(browser: Any, addresses: dict[str, str]) -> None:
    page = Tab(browser, addresses["latencies alone, live"], reduced_motion="reduce").page
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    page.close()


def test_whatever_has_the_focus_shows_it(browser: Any, addresses: dict[str, str]) -> None:
    page = Tab(browser, addresses["several devices"]).page
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        unseen += page.evaluate("""() => {
          const active = document.activeElement;
          const shown = active.matches(".chip input") ? active.nextElementSibling : active;
          const { outlineStyle, outlineWidth } = getComputedStyle(shown);
          return outlineStyle === "none" || outlineWidth === "0px" ? [active.outerHTML.slice(0, 120)] : [];
        }""")
    assert unseen == []
    page.close()


def _grave(page: Any, options: dict[str, Any] | None = None, context: str | None = None) -> list[str]:
    found = axe.Axe().run(page, context=context, options=options).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for violation in found
        if violation["impact"] in GRAVE
        for node in violation["nodes"][:4]
    ]
