"""Pictures of a report as people meet it: three widths, light and dark, and on paper.

python -m tests.reports.page.screenshots runs/demo/report.html pictures/
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SIZES = {"desktop": (1400, 900), "tablet": (768, 1024), "phone": (390, 844)}
SCHEMES = ("light", "dark")
LETTER_LANDSCAPE = 965  # CSS pixels between the margins of the narrower of the usual sheets, as print.css sets them


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


def opened(browser: Any, report: Path, size: str, *, scheme: str = "light") -> Any:
    """A tab with the report, all charts drawn."""
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(report.resolve().as_uri())
    page.wait_for_selector("html[data-complete]", state="attached")
    return page


def take(browser: Any, report: Path, folder: Path) -> list[Path]:
    """Write <size>-<scheme>.png, the first screen, the same with `-whole`, and print.pdf. Returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for size in SIZES:
        page = opened(browser, report, size)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for suffix, whole in (("", False), ("-whole", True)):
                written.append(folder / f"{size}-{scheme}{suffix}.png")
                page.screenshot(path=written[-1], full_page=whole)
        page.close()
    page = opened(browser, report, "desktop")
    written.append(folder / "print.pdf")
    page.pdf(path=written[-1], prefer_css_page_size=True)
    page.close()
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    with chromium() as browser:
        for path in take(browser, options.report, options.folder):
            print(path)
