"""One browser for the tests of a file, and one page of the twins for all that only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.write import write_report


@pytest.fixture(scope="session")
def report(twins_folder: Path) -> str:
    return write_report(twins_folder).page.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from tests.reports.page.browser import CHROMIUM, QUIET, playwright

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()
